package training.lora.trainer.train.objective;

import training.lora.api.LossSpec;
import training.lora.api.Prediction;

/** What a timestep counts in the loss, by its signal-to-noise ratio. */
final class TimestepWeight {
    /** Debiased weights are capped there, as kohya's trainer has it. */
    private static final double GREATEST_DEBIASED_SNR = 1000;

    private TimestepWeight() {}

    /**
     * The weight of a timestep: under MinSnr min(SNR, gamma) / SNR of predicted noise and min(SNR, gamma) / (SNR + 1) of
     * predicted velocity (Hang et al. 2023); under Debiased 1 / sqrt(SNR) of noise (Yu et al. 2023) and, as in kohya's
     * trainer, 1 / (SNR + 1) of velocity, SNR being at most 1000.
     */
    static double of(LossSpec settings, Prediction prediction, double snr) {
        boolean velocity = prediction == Prediction.V;
        return switch (settings.weighting()) {
            case Uniform -> 1;
            case MinSnr -> Math.min(snr, settings.minSnrGamma()) / (velocity ? snr + 1 : snr);
            case Debiased -> {
                double capped = Math.min(snr, GREATEST_DEBIASED_SNR);
                yield 1 / (velocity ? capped + 1 : Math.sqrt(capped));
            }
        };
    }
}
