package training.lora.trainer.model;

import ai.djl.ndarray.NDManager;
import java.util.function.Function;
import training.lora.api.BaseWeights;
import training.lora.trainer.model.unet.UNet;

/** Keeps denoisers that several models have in common. */
@FunctionalInterface
public interface UNets {
    /**
     * The denoiser, which belongs to whoever keeps it.
     *
     * @param form of its weights; there may be one of each
     * @param open reads it into a manager
     */
    UNet get(BaseWeights form, Function<NDManager, UNet> open);
}
