package training.lora.trainer.export;

import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.model.layer.Component;

/**
 * Names in diffusers' files: {@code unet.PATH.lora_A.weight} and {@code .lora_B.weight}, or {@code text_encoder.PATH},
 * {@code text_encoder_2.PATH}. The paths of a text encoder's layers begin with {@code text_model.}: ComfyUI reads only
 * that, and diffusers both.
 */
final class PeftNames {
    private PeftNames() {}

    /** The name of a module; {@link AdapterPart#peft} makes it a tensor's. */
    static String module(Component component, String path) {
        return component.folder() + "." + path;
    }
}
