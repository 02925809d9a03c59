package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.BaseWeights;
import training.lora.api.MemoryQuantity;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.run.Neighbours;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.batch.Captions;

/**
 * What a training does to need less memory.
 *
 * @param keep what of a recorded pass is kept
 * @param baseWeights how the networks that it runs at every step keep their frozen weights
 * @param onHost share of the denoiser's frozen weights that stay in the host's memory
 */
record MemoryChoice(Keep keep, BaseWeights baseWeights, double onHost) {
    /** With all weights where they are used. */
    MemoryChoice(Keep keep, BaseWeights baseWeights) {
        this(keep, baseWeights, 0);
    }

    private static final Logger LOG = LoggerFactory.getLogger(MemoryChoice.class);

    /**
     * What the run asks for, or the cheapest of what its {@code training.memoryBudget} leaves.
     *
     * @throws TrainerException InvalidConfiguration for weights of another device's form, for a budget on a card, and for one
     *     that is too small
     */
    static MemoryChoice of(RunContext context) {
        requirePossible(context);
        TrainingSpec training = context.run().spec().training();
        if (training.memoryBudget() == null) {
            return possible(training).get(0);
        }
        try (NDManager scope = context.manager().newSubManager();
                StableDiffusion model = context.openToTrain(BaseWeights.Full, scope);
                PreparedDataset dataset =
                        PreparedDataset.open(context.workspace().dataset())) {
            MemoryEstimate.Data data = data(training, model, dataset);
            return within(
                    training, (keep, form) -> MemoryEstimate.of(context.run().spec(), model, data, keep, form));
        }
    }

    /**
     * Refuses what can't be done here, whatever the data are.
     *
     * @throws TrainerException InvalidConfiguration as {@link #of}
     */
    static void requirePossible(RunContext context) {
        TrainingSpec training = context.run().spec().training();
        requireDevice(training, context.manager().getDevice().isGpu());
        if (context.neighbours() == Neighbours.NONE) {
            return;
        }
        if (training.offloadFraction() != null) {
            throw refused(
                    "`spec.training.offloadFraction` must be unset in a training that runs together with others, whose denoiser it has, was "
                            + training.offloadFraction());
        }
        if (training.memoryBudget() != null) {
            throw refused(
                    "`spec.training.memoryBudget` must be unset in a training that runs together with others, which take of the same memory, was "
                            + training.memoryBudget());
        }
    }

    /** Refuses what the device has no use for. */
    static void requireDevice(TrainingSpec training, boolean card) {
        if (card && training.baseWeights() == BaseWeights.Int8) {
            throw refused(
                    "`spec.training.baseWeights` must be Full or Fp8 on a card, where a step with weights in int8 is not proven, was Int8");
        }
        if (!card && training.baseWeights() == BaseWeights.Fp8) {
            throw refused(
                    "`spec.training.baseWeights` must be Full or Int8 on the CPU, where Int8 is as small as Fp8 and nearer to the weights, was Fp8");
        }
        if (!card && training.offloadFraction() != null) {
            throw refused(
                    "`spec.training.offloadFraction` must be unset on the CPU, whose memory is where weights are anyway, was "
                            + training.offloadFraction());
        }
        if (card && training.memoryBudget() != null) {
            throw refused("`spec.training.memoryBudget` must be unset on a card, whose memory is not estimated, was "
                    + training.memoryBudget());
        }
    }

    private static TrainerException refused(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, sentence);
    }

    private static MemoryEstimate.Data data(TrainingSpec training, StableDiffusion model, PreparedDataset dataset) {
        long factor = model.factor();
        long latents = dataset.sizes().stream()
                .mapToLong(s -> s.height() / factor * (s.width() / factor))
                .max()
                .orElse(0);
        return new MemoryEstimate.Data(
                dataset.size(),
                latents,
                Captions.embeddedAtSteps(training, dataset.manifest().samples()));
    }

    /** What the settings leave open, the cheaper first. */
    static List<MemoryChoice> possible(TrainingSpec training) {
        List<MemoryChoice> choices = new ArrayList<>();
        BaseWeights form = training.baseWeights();
        Boolean checkpointing = training.gradientCheckpointing();
        boolean chosen = training.memoryBudget() != null;
        double onHost = training.offloadFraction() == null ? 0 : training.offloadFraction();
        for (BaseWeights own : BaseWeights.values()) {
            for (Keep keep : Keep.values()) {
                // A budget is the CPU's.
                boolean asked =
                        form == null ? own == BaseWeights.Full || chosen && own == BaseWeights.Int8 : own == form;
                boolean kept = checkpointing == null
                        ? chosen || keep == Keep.LayerStates
                        : checkpointing == (keep == Keep.BlockInputs);
                if (asked && kept) {
                    choices.add(new MemoryChoice(keep, own, onHost));
                }
            }
        }
        return choices;
    }

    /** The first that {@code training.memoryBudget} has room for. */
    static MemoryChoice within(TrainingSpec training, BiFunction<Keep, BaseWeights, MemoryEstimate> estimates) {
        long budget = MemoryQuantity.bytes(Objects.requireNonNull(training.memoryBudget()));
        List<MemoryEstimate> all = new ArrayList<>();
        for (MemoryChoice choice : possible(training)) {
            MemoryEstimate estimate = estimates.apply(choice.keep, choice.baseWeights);
            if (estimate.total() <= budget) {
                LOG.info(
                        "within {} by {}: at most {} MiB, of which {}",
                        training.memoryBudget(),
                        choice.words(),
                        MemoryEstimate.mebibytes(estimate.total()),
                        estimate.parts());
                return choice;
            }
            all.add(estimate);
        }
        MemoryEstimate least = all.stream()
                .min(Comparator.comparingLong(MemoryEstimate::total))
                .orElseThrow();
        throw refused("`spec.training.memoryBudget` must be at least %dMi, the least that this training takes, was %s"
                .formatted(MemoryEstimate.mebibytes(least.total()), training.memoryBudget()));
    }

    /** It, and what it costs. */
    private String words() {
        List<String> words = new ArrayList<>();
        if (keep == Keep.BlockInputs) {
            words.add("gradientCheckpointing, which takes about half as much time again");
        }
        if (baseWeights == BaseWeights.Int8) {
            words.add("baseWeights Int8, which takes a little more time and changes the result a little");
        }
        return words.isEmpty() ? "the settings as they are" : String.join(" and ", words);
    }
}
