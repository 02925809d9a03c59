package training.lora.trainer.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import training.lora.api.OptimizerSpec;

/**
 * Parts of a flat array of parameters that move at learning rates of their own, torch's parameter groups: the denoiser's
 * and, behind them, those of text encoders. Gradients are scaled over all of them together.
 *
 * @param size parameters in all
 * @param textOffset where those of text encoders begin, from 0 to {@code size}
 * @param textFactor what the learning rate is multiplied by there
 */
record Groups(long size, long textOffset, double textFactor) {
    /** Those of a spec; equal rates make one group. */
    static Groups of(OptimizerSpec settings, long size, long textOffset) {
        return settings.textEncoderFactor() == 1
                ? single(size)
                : new Groups(size, textOffset, settings.textEncoderFactor());
    }

    /** All parameters at one rate. */
    static Groups single(long size) {
        return new Groups(size, size, 1);
    }

    /** Factors of the learning rate, of each group that has parameters. */
    List<Double> factors() {
        List<Double> factors = new ArrayList<>();
        if (textOffset > 0) {
            factors.add(1.0);
        }
        if (textOffset < size) {
            factors.add(textFactor);
        }
        return factors;
    }

    /** TorchScript of group {@code i} of {@code x} (n), a view. */
    String part(String x, int i) {
        if (factors().size() == 1) {
            return x;
        }
        return "torch.slice(%s, 0, %d, %d)".formatted(x, i == 0 ? 0 : textOffset, i == 0 ? textOffset : size);
    }
}
