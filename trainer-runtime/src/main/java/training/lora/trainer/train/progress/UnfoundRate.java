package training.lora.trainer.train.progress;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Metric;
import training.lora.api.OptimizerType;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;
import training.lora.trainer.train.optimizer.Optimizer;

/**
 * Warns in the middle of a training where an optimizer that looks for its rate has found next to none, as Prodigy does in
 * short trainings and where gradients of small batches differ much.
 */
final class UnfoundRate {
    /** Factor by which a distance has grown at least that counts as found; prodigyopt's reaches a hundred and more. */
    private static final double FOUND = 10;

    private final TrainingSpec training;
    private final int steps;

    /** @param steps of the training */
    UnfoundRate(TrainingSpec training, int steps) {
        this.training = training;
        this.steps = steps;
    }

    /** The step after which it is told. */
    int middle() {
        return Math.max(1, steps / 2);
    }

    /**
     * A sentence on the optimizers that have found next to nothing; null where each has, or looks for nothing.
     *
     * @param found by optimizer, the distance d that it has found by {@link #middle}
     */
    @Nullable String sentence(Map<Integer, Double> found) {
        for (Map.Entry<Integer, Double> each : found.entrySet()) {
            if (each.getValue() < FOUND * Optimizer.FIRST_DISTANCE) {
                return sentence(
                        each.getKey() > 0 || training.method() == TrainingMethod.TextualInversion, each.getValue());
            }
        }
        return null;
    }

    private String sentence(boolean tokens, double distance) {
        OptimizerType type =
                tokens ? training.tokens().optimizer() : training.optimizer().type();
        return "by step %d of %d %s has found a rate of %s for %s, having begun at %s, so that little is learned: more steps, a larger `training.batchSize` or %s may help, or AdamW at a given rate"
                .formatted(
                        middle(),
                        steps,
                        type,
                        Metric.of("", distance).value(),
                        tokens ? "the tokens" : "the adapter",
                        Metric.of("", Optimizer.FIRST_DISTANCE).value(),
                        tokens
                                ? "a higher `training.tokens.learningRate`"
                                : "a higher `training.optimizer.dCoefficient`");
    }
}
