package training.lora.trainer.evaluate;

import java.util.Map;

/**
 * How well a checkpoint does at a concept.
 *
 * @param learned 0: its pictures are no nearer to the training pictures than the base model's; 1: as near as training
 *     pictures are to each other
 * @param kept 0: its pictures follow their prompts no more than chance would; 1: as closely as the base model's
 */
record Score(double learned, double kept) {
    /** The harmonic mean, which is low where either is: what was never learned, and what was learned at any price. */
    double value() {
        return ScoreWeights.DEFAULT.of(this, Map.of());
    }
}
