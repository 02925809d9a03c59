package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.PromptAlignmentSpec;
import training.lora.api.TimestepDistribution;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.Dropouts;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.layer.AttentionScores;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.tensor.HostCopy;
import training.lora.trainer.tensor.HostNumbers;
import training.lora.trainer.train.batch.Aligned;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.LossHistory;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.objective.AdapterL1;
import training.lora.trainer.train.objective.AddedLoss;
import training.lora.trainer.train.objective.LossTerm;
import training.lora.trainer.train.objective.Objective;
import training.lora.trainer.train.objective.Preservation;
import training.lora.trainer.train.objective.PromptAlignment;
import training.lora.trainer.train.objective.TokenAttention;
import training.lora.trainer.train.optimizer.AdapterTable;
import training.lora.trainer.train.optimizer.Optimizer;
import training.lora.trainer.train.optimizer.OptimizerSet;
import training.lora.trainer.train.optimizer.Rates;
import training.lora.trainer.train.progress.Watchdog;

/**
 * One step of training: for each of its batches noise, prediction, loss and gradient, then the optimizer.
 */
final class LoraStep implements TrainingStep {
    private final Networks networks;
    private final LoraAdapter adapter;
    private final Objective objective;
    private final Preservation preservation;
    private final @Nullable PromptAlignment alignment;
    private final int timesteps;
    private final int parts;
    private final int tokenCount;
    private final NDManager manager;
    private final OptimizerSet optimizers = new OptimizerSet();
    private final @Nullable TokenTraining tokens;
    private final @Nullable PromptNorms norms;
    private final @Nullable AdapterL1 adapterL1;
    private final @Nullable LossHistory history;
    private final @Nullable TokenAttention attention;
    private final @Nullable KeyLock lock;
    private final LoraAdapter output;
    private final StepLog log;

    /** A step of {@code training.gradientAccumulation} batches. */
    LoraStep(Networks networks, LoraAdapter adapter, NoiseSchedule schedule, TrainingSpec training, NDManager parent) {
        this(networks, adapter, schedule, training, null, parent);
    }

    /**
     * The same with locked keys.
     *
     * @param lock of {@code adapter}, which {@link #close} closes; null for none
     */
    LoraStep(
            Networks networks,
            LoraAdapter adapter,
            NoiseSchedule schedule,
            TrainingSpec training,
            @Nullable KeyLock lock,
            NDManager parent) {
        this.lock = lock;
        this.networks = networks;
        this.adapter = adapter.trainable();
        this.objective = new Objective(schedule, training.loss());
        this.preservation = new Preservation(training.loss().preservation());
        PromptAlignmentSpec aligned = training.loss().promptAlignment();
        this.alignment = aligned == null ? null : new PromptAlignment(schedule, aligned);
        this.timesteps = schedule.timesteps();
        this.parts = training.gradientAccumulation();
        this.tokenCount = training.tokens().count();
        this.manager = parent.newSubManager();
        if (!adapter.projections().isEmpty()) {
            Optimizer optimizer = Optimizer.of(
                    training.optimizer(), AdapterTable.of(adapter, training), adapter.parameters(), manager);
            optimizers.add("", averaged(optimizer, training), adapter.gradient());
        }
        TokenEmbeddings added = adapter.tokens();
        if (added == null) {
            tokens = null;
            norms = null;
        } else {
            PromptEncoder prompts = Objects.requireNonNull(networks.prompts());
            tokens = new TokenTraining(added, training, prompts.vocabularies(), manager);
            norms = new PromptNorms(prompts, networks.keep(), adapter, added, training.tokens());
            optimizers.add(TokenTraining.PREFIX, averaged(tokens.optimizer(), training), added.gradient());
        }
        Double attentionWeight = training.tokens().attentionWeight();
        this.attention = attentionWeight == null ? null : new TokenAttention(attentionWeight);
        Double l1 = training.loss().adapterL1();
        this.adapterL1 = l1 == null ? null : new AdapterL1(l1, adapter);
        if (training.loss().timesteps() == TimestepDistribution.LossHistory) {
            // Of steps that are judged as late as the log allows.
            this.history = new LossHistory(training, timesteps, StepLog.CAPACITY + Watchdog.WINDOW, manager);
            optimizers.keep("timesteps", history.memory());
        } else {
            this.history = null;
        }
        this.output = output(adapter, optimizers.outputs());
        this.log = new StepLog(AddedLoss.of(training), optimizers.found(), manager);
    }

    private static Optimizer averaged(Optimizer optimizer, TrainingSpec training) {
        return training.ema() == null
                ? optimizer
                : optimizer.averaged(training.ema().decay());
    }

    /**
     * An adapter with what is put out in the place of what is trained.
     *
     * @param outputs for each array that is trained what is put out of it
     */
    private static LoraAdapter output(LoraAdapter trained, Map<NDArray, NDArray> outputs) {
        if (outputs.entrySet().stream().allMatch(e -> e.getKey() == e.getValue())) {
            return trained;
        }
        LoraAdapter output = trained.with(outputs.getOrDefault(trained.parameters(), trained.parameters()));
        TokenEmbeddings tokens = trained.tokens();
        return tokens == null
                ? output
                : output.with(tokens.with(Objects.requireNonNull(outputs.get(tokens.parameters()))));
    }

    @Override
    public void train(BatchSource batches, int step, List<Rates> rates) {
        int samples = 0;
        for (int part = 0; part < parts; part++) {
            samples += batches.size((long) step * parts + part);
        }
        for (int part = 0; part < parts; part++) {
            try (NDManager scope = manager.newSubManager()) {
                long index = (long) step * parts + part;
                accumulate(batches.at(index, scope), index, samples, tokensMove(rates), scope);
            }
        }
        try (NDManager scope = manager.newSubManager()) {
            if (tokens != null) {
                boolean moving = tokensMove(rates);
                tokens.regularize((loss, value) -> log.add(loss, moving ? value : null, scope), scope);
            }
            if (norms != null && tokensMove(rates)) {
                log.add(AddedLoss.TriggerNorm, norms.addOfTriggers(step, scope), scope);
            }
            if (adapterL1 != null) {
                log.add(AddedLoss.AdapterL1, adapterL1.addToGradient(scope), scope);
            }
            if (lock != null) {
                lock.clear(scope);
            }
            NDArray norm = optimizers.step(rates, scope);
            adapter.limitNorms();
            if (tokens != null && tokensMove(rates)) {
                tokens.keep(scope);
            }
            if (lock != null) {
                lock.apply();
            }
            optimizers.average(rates, scope);
            log.end(norm, scope);
        }
    }

    @Override
    public @Nullable LossHistory history() {
        return history;
    }

    /** Whether tokens, whose optimizer is the last, move in a step of {@code rates}. */
    private boolean tokensMove(List<Rates> rates) {
        return tokens != null && rates.get(rates.size() - 1).moving();
    }

    /**
     * Adds a batch's share to the step's loss and gradient.
     *
     * @param tokensMove whether losses of prompts count, which hold what tokens make of them
     */
    private void accumulate(Batch batch, long index, int samples, boolean tokensMove, NDManager scope) {
        ProjectionDeltas deltas = adapter.bind(scope, index, new Dropouts.Times(batch.timesteps(), timesteps));
        AttentionScores scores = attention == null ? null : new AttentionScores();
        Networks.Recording recording =
                networks.record(objective.noisy(batch, scope), times(batch, scope), batch.told(), deltas, scores);
        LossTerm.Value value = objective.of(recording.output(), batch, samples, scope);
        if (preservation.outsideMask()) {
            NDArray base = baseOf(batch, batch.told(), scope);
            NDArray outside =
                    preservation.outsideMask(value.gradient(), recording.output(), base, batch.mask(), samples, scope);
            log.add(AddedLoss.OutsideMask, outside, scope);
        }
        if (alignment != null) {
            align(alignment, batch, index, recording.output(), value.gradient(), samples, scope);
        }
        NDArray context = norms != null && tokensMove ? recording.context() : null;
        double share = (double) batch.timesteps().length / samples;
        if (attention != null && scores != null) {
            List<TokenAttention.Places> places = places(((Told.Texts) batch.told()).texts(), deltas);
            NDArray loss = attention.addTo(scores, batch.latents().getShape(), batch.mask(), places, share, scope);
            log.add(AddedLoss.Attention, loss, scope);
        }
        LossTerm.Value norm = norms == null || context == null ? null : norms.ofCaptions(context, share, scope);
        recording.backward(value.gradient(), norm == null ? null : norm.gradient());
        if (norm != null) {
            log.add(AddedLoss.PromptNorm, norm.loss(), scope);
        }
        if (preservation.ofEmptyPrompt()) {
            Told empty = Objects.requireNonNull(batch.empty(), "the empty text, which is kept");
            log.add(
                    AddedLoss.EmptyPrompt,
                    keep(batch, empty, preservation::ofEmptyPrompt, deltas, samples, scope),
                    scope);
        }
        Told kept = batch.kept();
        if (kept != null) {
            log.add(AddedLoss.Prompts, keep(batch, kept, preservation::ofPrompts, deltas, samples, scope), scope);
        }
        if (history != null) {
            float[] each = HostCopy.floats(objective.ofEach(recording.output(), batch, scope));
            history.add(index, batch.timesteps(), each);
        }
        log.add(value.loss(), scope);
    }

    /** Where texts have the tokens of the first of their words that has tokens. */
    private List<TokenAttention.Places> places(List<String> texts, ProjectionDeltas deltas) {
        List<TokenAttention.Places> places = new ArrayList<>();
        for (PromptEncoder.Places text :
                Objects.requireNonNull(networks.prompts()).places(texts, deltas)) {
            List<Integer> own = new ArrayList<>();
            int first = 0;
            for (Map.Entry<Integer, Integer> added : text.added().entrySet()) {
                int token = added.getValue();
                if (own.isEmpty()) {
                    first = token;
                }
                if (first % tokenCount == 0 && token == first + own.size() && own.size() < tokenCount) {
                    own.add(added.getKey());
                }
            }
            places.add(new TokenAttention.Places(text.end(), own.size() == tokenCount ? own : List.of()));
        }
        return places;
    }

    /** The loss that keeps a prediction, as {@link Preservation#ofEmptyPrompt}. */
    private interface Kept {
        LossTerm.Value of(NDArray predicted, NDArray base, int samples, NDManager scope);
    }

    /** Adds the gradient of what keeps the prediction of what is {@code told}; returns its loss. */
    private NDArray keep(Batch batch, Told told, Kept kept, ProjectionDeltas deltas, int samples, NDManager scope) {
        NDArray base = baseOf(batch, told, scope);
        Networks.Recording recording =
                networks.record(objective.noisy(batch, scope), times(batch, scope), told, deltas);
        LossTerm.Value value = kept.of(recording.output(), base, samples, scope);
        recording.backward(value.gradient());
        return value.loss();
    }

    /** Adds to the gradient by {@code predicted} what aligns it with a text. */
    private void align(
            PromptAlignment alignment,
            Batch batch,
            long index,
            NDArray predicted,
            NDArray gradient,
            int samples,
            NDManager scope) {
        Aligned aligned = Objects.requireNonNull(batch.aligned(), "a text to align with");
        if (!aligned.any()) {
            return;
        }
        // Of other timesteps than the batch's, by which ranks may differ.
        ProjectionDeltas deltas = adapter.bind(scope, index, new Dropouts.Times(aligned.timesteps(), timesteps));
        NDArray noisy = objective.noisy(batch, scope);
        NDArray again = alignment.noisedAgain(noisy, predicted, batch.timesteps(), aligned, scope);
        NDArray times = times(aligned.timesteps(), scope);
        ProjectionDeltas none = ProjectionDeltas.NONE;
        PromptAlignment.Predictions predictions = new PromptAlignment.Predictions(
                networks.forward(again, times, aligned.target(), none),
                networks.forward(again, times, aligned.empty(), none),
                networks.forward(again, times, aligned.own(), deltas),
                networks.forward(again, times, aligned.ownEmpty(), deltas));
        log.add(AddedLoss.PromptAlignment, alignment.addTo(gradient, predictions, aligned, samples, scope), scope);
    }

    /** The base model's prediction. */
    private NDArray baseOf(Batch batch, Told told, NDManager scope) {
        return networks.forward(objective.noisy(batch, scope), times(batch, scope), told, ProjectionDeltas.NONE);
    }

    /** The adapter as it is put out, up to date until the next step: the trained one, or one with averages of its numbers. */
    LoraAdapter output() {
        optimizers.outputs();
        return output;
    }

    @Override
    public NDArray loss(Batch batch, NDManager scope) {
        return loss(batch, output().bind(scope), scope);
    }

    @Override
    public NDArray baseLoss(Batch batch, NDManager scope) {
        return loss(batch, ProjectionDeltas.NONE, scope);
    }

    private NDArray loss(Batch batch, ProjectionDeltas deltas, NDManager scope) {
        NDArray predicted = networks.forward(objective.noisy(batch, scope), times(batch, scope), batch.told(), deltas);
        return objective.of(predicted, batch, batch.timesteps().length, scope).loss();
    }

    static NDArray times(Batch batch, NDManager scope) {
        return times(batch.timesteps(), scope);
    }

    private static NDArray times(int[] timesteps, NDManager scope) {
        float[] times = new float[timesteps.length];
        for (int i = 0; i < times.length; i++) {
            times[i] = timesteps[i];
        }
        return HostNumbers.floats(scope, times, new Shape(times.length));
    }

    /** The optimizers, which hold all that the next step depends on. */
    OptimizerSet optimizers() {
        return optimizers;
    }

    @Override
    public StepLog log() {
        return log;
    }

    @Override
    public void close() {
        optimizers.close();
        if (tokens != null) {
            tokens.close();
        }
        if (lock != null) {
            lock.close();
        }
        manager.close();
    }
}
