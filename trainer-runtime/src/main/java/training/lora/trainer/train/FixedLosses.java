package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.DatasetRole;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Metric;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.trained.TrainSummary;

/** The losses of a stage over its fixed sets: pictures that are learned from, and pictures that are held out. */
final class FixedLosses {
    private static final Logger LOG = LoggerFactory.getLogger(FixedLosses.class);

    private final RunContext context;
    private final FixedSet learned;
    private final @Nullable FixedSet heldOut;
    private final TrainingStep step;
    private final NDManager manager;

    private FixedLosses(
            RunContext context, FixedSet learned, @Nullable FixedSet heldOut, TrainingStep step, NDManager manager) {
        this.context = context;
        this.learned = learned;
        this.heldOut = heldOut;
        this.step = step;
        this.manager = manager;
    }

    static FixedLosses of(
            RunContext context, PreparedDataset data, Batches batches, TrainingStep step, NDManager manager) {
        LoraTrainingSpec spec = context.run().spec();
        int batchSize = spec.training().batchSize();
        List<int[]> concepts = Concepts.of(spec.datasets()).all().stream()
                .map(concept -> data.samples(concept.datasets()))
                .filter(group -> group.length > 0)
                .toList();
        List<int[]> validation = spec.datasets().stream()
                .filter(d -> d.role() == DatasetRole.Validation)
                .map(d -> data.samples(List.of(d.name())))
                .filter(group -> group.length > 0)
                .toList();
        return new FixedLosses(
                context,
                FixedSet.learned(batches, concepts, batchSize),
                validation.isEmpty() ? null : FixedSet.heldOut(batches, validation, batchSize),
                step,
                manager);
    }

    boolean holdsOut() {
        return heldOut != null;
    }

    /**
     * The loss over pictures that are learned from, before anything is; null where the watchdog is off: then one batch of them alone is
     * looked at.
     *
     * @param where the stage stands, for the case that it is asked to stop meanwhile
     * @throws TrainerException Preempted then; InvalidBaseModel if it is not finite: no lower learning rate will mend that
     */
    @Nullable Double begin(String where) {
        boolean watched = context.run().spec().training().watchdog().enabled();
        double loss = watched ? learned(where) : learned.first(step, manager);
        if (!Double.isFinite(loss)) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "the loss must be a finite number before anything is trained, was %s: weights of the base model %s%s are damaged, as by a conversion to fp16 that overflowed"
                            .formatted(
                                    loss,
                                    context.named().baseModel().shown(),
                                    context.run().spec().training().initFrom() == null
                                            ? ""
                                            : " or of `spec.training.initFrom`"));
        }
        return watched ? loss : null;
    }

    /**
     * The losses over pictures that are learned from, of which the log tells.
     *
     * @param before what {@link #begin} gave
     * @return null where the watchdog is off
     */
    TrainSummary.@Nullable FixedSetLoss end(@Nullable Double before, String where) {
        // A state of an earlier version has the loss without the watchdog too.
        if (before == null || !context.run().spec().training().watchdog().enabled()) {
            return null;
        }
        double after = learned(where);
        LOG.info(
                "loss over the fixed set: {} before, {} after",
                Metric.of("", before).value(),
                Metric.of("", after).value());
        if (after >= before) {
            LOG.warn("nothing was learned by the measure of the fixed set: its loss did not fall");
        }
        return new TrainSummary.FixedSetLoss(before, after);
    }

    private double learned(String where) {
        return measured(learned.loss(step, manager, context.stopping()), where);
    }

    /** The loss over pictures that are held out; null if there are none. */
    @Nullable Double heldOut(String where) {
        return heldOut == null ? null : Double.valueOf(measured(heldOut(), where));
    }

    /** The same; null if the stage is asked to stop meanwhile as well. */
    @Nullable Double heldOut() {
        return heldOut == null ? null : heldOut.loss(step, manager, context.stopping());
    }

    /** Ends the stage where {@code loss} is null, which was given up. */
    double measured(@Nullable Double loss, String where) {
        if (loss == null) {
            context.stopIfAsked(where);
        }
        return Objects.requireNonNull(loss);
    }
}
