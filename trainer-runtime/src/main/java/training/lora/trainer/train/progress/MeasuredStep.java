package training.lora.trainer.train.progress;

/**
 * What was measured of a step.
 *
 * @param loss the weighted loss, its mean over the step's samples
 * @param gradientNorm 2-norm of the gradient before it was scaled
 */
public record MeasuredStep(double loss, double gradientNorm) {}
