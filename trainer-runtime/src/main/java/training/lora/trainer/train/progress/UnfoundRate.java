package training.lora.trainer.train.progress;

import java.util.ArrayList;
import java.util.List;
import training.lora.api.Metric;
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
    private final List<Integer> middles;

    /** @param middles of each optimizer, how many steps are done in the middle of those in which it moves */
    UnfoundRate(TrainingSpec training, List<Integer> middles) {
        this.training = training;
        this.middles = List.copyOf(middles);
    }

    /**
     * A sentence for each optimizer whose middle is among the newest steps and that has found next to nothing by then.
     *
     * @param before steps done before the newest ones
     */
    List<String> sentences(int before, List<MeasuredStep> newest) {
        List<String> sentences = new ArrayList<>();
        for (int optimizer = 0; optimizer < middles.size(); optimizer++) {
            int at = middles.get(optimizer) - 1 - before;
            Double distance = at < 0 || at >= newest.size()
                    ? null
                    : newest.get(at).found().get(optimizer);
            if (distance != null && distance < FOUND * Optimizer.FIRST_DISTANCE) {
                boolean tokens = optimizer > 0 || training.method() == TrainingMethod.TextualInversion;
                sentences.add(sentence(middles.get(optimizer), tokens, distance));
            }
        }
        return sentences;
    }

    private String sentence(int step, boolean tokens, double distance) {
        return "by step %d %s has found a rate of %s for %s, having begun at %s, so that little is learned: more steps, a larger `training.batchSize` or %s may help, or AdamW at a given rate"
                .formatted(
                        step,
                        tokens
                                ? training.tokens().optimizer()
                                : training.optimizer().type(),
                        Metric.of("", distance).value(),
                        tokens ? "the tokens" : "the adapter",
                        Metric.of("", Optimizer.FIRST_DISTANCE).value(),
                        tokens
                                ? "a higher `training.tokens.learningRate`"
                                : "a higher `training.optimizer.dCoefficient`");
    }
}
