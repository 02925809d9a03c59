package training.lora.trainer.train.progress;

import java.util.Map;

/**
 * What was measured of a step.
 *
 * @param loss the weighted loss, its mean over the step's samples
 * @param gradientNorm 2-norm of the gradient before it was scaled
 * @param added losses beside it, times their weights, by the fields that ask for them
 * @param found by optimizer, the distance d that those have found by the step's end that find their rate, as Prodigy
 */
public record MeasuredStep(double loss, double gradientNorm, Map<String, Double> added, Map<Integer, Double> found) {}
