package training.lora.trainer.export;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.export.TensorName.Part;
import training.lora.trainer.model.Component;

/**
 * Names in diffusers' files: {@code unet.PATH.lora_A.weight} and {@code .lora_B.weight}, or {@code text_encoder.PATH},
 * {@code text_encoder_2.PATH}. Older names of the same are understood too. A text encoder's path begins with
 * {@code text_model.} whether or not the file says so: ComfyUI reads only that, and diffusers both.
 */
final class PeftNames {
    static final String A = ".lora_A.weight";

    static final String B = ".lora_B.weight";

    private static final String TEXT_MODEL = "text_model.";

    private static final Map<String, Part> PARTS = Map.of(
            A,
            Part.Down,
            B,
            Part.Up,
            ".lora.down.weight",
            Part.Down,
            ".lora.up.weight",
            Part.Up,
            ".lora_linear_layer.down.weight",
            Part.Down,
            ".lora_linear_layer.up.weight",
            Part.Up);

    private PeftNames() {}

    /** The name of a module; one of {@link #A} and {@link #B} makes it a tensor's. */
    static String module(Component component, String path) {
        return component.folder() + "." + path;
    }

    /** What a tensor's name means; null if it is none of these files'. */
    static @Nullable TensorName parse(String tensor) {
        for (Component component : Component.values()) {
            String prefix = component.folder() + ".";
            if (tensor.startsWith(prefix)) {
                for (Map.Entry<String, Part> part : PARTS.entrySet()) {
                    if (tensor.endsWith(part.getKey())) {
                        String path = tensor.substring(
                                prefix.length(),
                                Math.max(
                                        prefix.length(),
                                        tensor.length() - part.getKey().length()));
                        return new TensorName(component, canonical(component, path), part.getValue());
                    }
                }
            }
        }
        return null;
    }

    private static String canonical(Component component, String path) {
        return component == Component.UNet || path.startsWith(TEXT_MODEL) ? path : TEXT_MODEL + path;
    }
}
