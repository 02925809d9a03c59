package training.lora.trainer.export;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.export.TensorName.Part;
import training.lora.trainer.model.Component;
import training.lora.trainer.model.UNetStateDictAdapter;

/**
 * Names in kohya's files: {@code lora_unet_X.lora_down.weight}, {@code .lora_up.weight} and {@code .alpha}, with X the
 * module path with {@code _} for dots, in the original code's names for Stable Diffusion XL and in diffusers' for 1.x; text encoders are
 * {@code lora_te_} in 1.x, {@code lora_te1_} and {@code lora_te2_} in XL. ComfyUI and AUTOMATIC1111 read each of these.
 */
final class KohyaNames {
    static final String DOWN = ".lora_down.weight";

    static final String UP = ".lora_up.weight";

    static final String ALPHA = ".alpha";

    private static final Map<String, Part> PARTS = Map.of(DOWN, Part.Down, UP, Part.Up, ALPHA, Part.Alpha);

    private static final Map<String, Component> PREFIXES = Map.of(
            "lora_unet_", Component.UNet,
            "lora_te_", Component.TextEncoder,
            "lora_te1_", Component.TextEncoder,
            "lora_te2_", Component.TextEncoder2);

    /** What paths in the original code's names begin with. */
    private static final List<String> ORIGINAL =
            List.of("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.");

    private KohyaNames() {}

    /** Whether {@code tensor} is named as these files name theirs. */
    static boolean prefixed(String tensor) {
        return PREFIXES.keySet().stream().anyMatch(tensor::startsWith);
    }

    /**
     * The name of a module; one of {@link #DOWN}, {@link #UP} and {@link #ALPHA} makes it a tensor's.
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

    /**
     * What a tensor's name means; null if it is none of these files'.
     *
     * @param paths the UNet's names, for files that have the original code's
     */
    static @Nullable TensorName parse(String tensor, UNetStateDictAdapter paths) {
        int dot = tensor.indexOf('.');
        Part part = dot < 0 ? null : PARTS.get(tensor.substring(dot));
        if (part == null) {
            return null;
        }
        for (Map.Entry<String, Component> prefix : PREFIXES.entrySet()) {
            if (tensor.startsWith(prefix.getKey())) {
                String path = Underscored.path(tensor.substring(prefix.getKey().length(), dot));
                return unet(prefix.getValue(), path, part, paths);
            }
        }
        return null;
    }

    private static @Nullable TensorName unet(Component component, String path, Part part, UNetStateDictAdapter paths) {
        if (component != Component.UNet || !isOriginal(path)) {
            return new TensorName(component, path, part);
        }
        String ours = paths.toDiffusers(path);
        return ours == null ? null : new TensorName(component, ours, part);
    }

    private static boolean isOriginal(String path) {
        return ORIGINAL.stream().anyMatch(path::startsWith);
    }

    private static String original(UNetStateDictAdapter paths, String path) {
        String original = paths.toOriginal(path);
        if (original == null) {
            throw new IllegalArgumentException(path + " must be a module of a Stable Diffusion UNet");
        }
        return original;
    }
}
