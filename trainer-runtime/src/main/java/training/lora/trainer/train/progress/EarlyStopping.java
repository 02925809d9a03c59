package training.lora.trainer.train.progress;

import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.EarlyStopSpec;
import training.lora.api.EvaluationSpec;
import training.lora.api.Metric;

/** Says when a training has nothing to gain from going on, from what was measured of its checkpoints alone. */
record EarlyStopping(EarlyStopSpec spec, String metric) {
    static @Nullable EarlyStopping of(EvaluationSpec evaluation) {
        EarlyStopSpec spec = evaluation.earlyStop();
        return spec == null ? null : new EarlyStopping(spec, evaluation.select().metric());
    }

    /**
     * Why to stop, as the end of a sentence; null to go on.
     *
     * @param measured all checkpoints so far, oldest first
     */
    @Nullable String reason(List<Checkpoint> measured) {
        Checkpoint best = null;
        double most = 0;
        int since = 0;
        for (Checkpoint checkpoint : measured) {
            Metric value = checkpoint.metric(metric);
            double now = value == null ? Double.NEGATIVE_INFINITY : value.number();
            if (best == null ? now > 0 : now > most + spec.minDelta()) {
                best = checkpoint;
                most = now;
                since = 0;
            } else if (best != null) {
                since++;
            }
        }
        return best == null || since < spec.patience()
                ? null
                : "%s has not risen above that of step %d, %s, for %d %s"
                        .formatted(
                                metric,
                                best.step(),
                                Metric.of("", most).value(),
                                since,
                                since == 1 ? "checkpoint" : "checkpoints");
    }
}
