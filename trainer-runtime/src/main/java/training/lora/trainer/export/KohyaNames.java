package training.lora.trainer.export;

import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;

/**
 * Names in kohya's files: {@code lora_unet_X.lora_down.weight}, {@code .lora_up.weight} and {@code .alpha}, with X the
 * module path with {@code _} for dots, in the original code's names for Stable Diffusion XL and in diffusers' for 1.x; text
 * encoders are {@code lora_te_} in 1.x, {@code lora_te1_} and {@code lora_te2_} in XL. ComfyUI and AUTOMATIC1111 read each of
 * these.
 */
final class KohyaNames {
    private KohyaNames() {}

    /**
     * The name of a module; {@link AdapterPart#kohya} makes it a tensor's.
     *
     * @param paths the UNet's names
     */
    static String module(LoraFamily family, UNetStateDictAdapter paths, Component component, String path) {
        boolean xl = family == LoraFamily.SDXL;
        return switch (component) {
            case UNet -> "lora_unet_" + Underscored.of(xl ? original(paths, path) : path);
            case TextEncoder -> (xl ? "lora_te1_" : "lora_te_") + Underscored.of(path);
            case TextEncoder2 -> "lora_te2_" + Underscored.of(path);
        };
    }

    private static String original(UNetStateDictAdapter paths, String path) {
        String original = paths.toOriginal(path);
        if (original == null) {
            throw new IllegalArgumentException(path + " must be a module of a Stable Diffusion UNet");
        }
        return original;
    }
}
