package training.lora.trainer.model.basemodel;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import training.lora.api.ModelFamily;
import training.lora.trainer.tensor.SafeTensors;

/**
 * What network a safetensors file holds, by the names and shapes of its tensors.
 *
 * @param what a noun with its article
 * @param checkpoint whether it is a denoiser in the original code's names, as a single file with a whole model has it
 * @param family what it can be trained as; null for none
 */
public record ModelKind(
        String what, boolean checkpoint, @Nullable ModelFamily family) {
    static final String UNET = "model.diffusion_model.";
    static final String VAE = "first_stage_model.";
    static final String SD15_TEXT = "cond_stage_model.transformer.";
    static final String SDXL_TEXT = "conditioner.embedders.0.transformer.";
    static final String SDXL_TEXT_2 = "conditioner.embedders.1.model.";

    private static final String SD2_TEXT = "cond_stage_model.model.";
    private static final String REFINER_TEXT = "conditioner.embedders.0.model.";

    /** Cross-attention of the coarsest level, which every family has. */
    private static final String KEY = UNET + "middle_block.1.transformer_blocks.0.attn2.to_k.weight";

    /** Channels of a latent in Stable Diffusion 1.x and SDXL. */
    static final int CHANNELS = 4;

    private static final int EDITING_CHANNELS = 8;
    private static final int INPAINTING_CHANNELS = 9;
    private static final int SD15_CONTEXT = 768;
    private static final int SDXL_CONTEXT = 2048;
    private static final int REFINER_CONTEXT = 1280;

    /** Width of the text embedding of Stable Diffusion 2.x. */
    static final int SD2_CONTEXT = 1024;

    /** Marks of other models, the first that fits counts. */
    private static final List<Mark> OTHERS = List.of(
            contains("a ControlNet", "control_model.", "controlnet_cond_embedding"),
            contains("a Flux model", "double_blocks."),
            contains("a Stable Diffusion 3 model", "joint_blocks."),
            contains("an AnimateDiff motion module", ".motion_modules."),
            new Mark("the UNet of a diffusers model", n -> n.equals("down_blocks.0.resnets.0.conv1.weight")),
            new Mark(
                    "a VAE",
                    n -> n.equals("decoder.conv_in.weight") || n.equals("first_stage_model.decoder.conv_in.weight")),
            new Mark("a CLIP model", n -> n.startsWith("vision_model.")),
            new Mark(
                    "a text encoder",
                    n -> n.matches(
                            "(text_model\\.)?(embeddings\\.token_embedding|encoder\\.layers\\.0\\.layer_norm1)\\.weight")));

    private record Mark(String what, Predicate<String> of) {}

    private static Mark contains(String what, String... parts) {
        return new Mark(what, name -> Arrays.stream(parts).anyMatch(name::contains));
    }

    /** What {@code tensors} are; null if they are no network that is known here. */
    public static @Nullable ModelKind of(Map<String, SafeTensors.Entry> tensors) {
        SafeTensors.Entry in = tensors.get(UNET + "input_blocks.0.0.weight");
        if (in != null && in.shape().length == 4) {
            return checkpoint(tensors, in.shape()[1]);
        }
        for (Mark mark : OTHERS) {
            if (tensors.keySet().stream().anyMatch(mark.of())) {
                return new ModelKind(mark.what(), false, null);
            }
        }
        return null;
    }

    /** The order of the questions is what tells the families apart. */
    private static ModelKind checkpoint(Map<String, SafeTensors.Entry> tensors, long channels) {
        Set<String> names = tensors.keySet();
        SafeTensors.Entry key = tensors.get(KEY);
        long context = key == null || key.shape().length != 2 ? 0 : key.shape()[1];
        if (names.stream().anyMatch(n -> n.contains(".time_stack.") || n.contains(".time_mixer."))) {
            return other("a video checkpoint");
        }
        if (channels == INPAINTING_CHANNELS) {
            return other("an inpainting checkpoint");
        }
        if (channels == EDITING_CHANNELS) {
            return other("an InstructPix2Pix checkpoint");
        }
        if (channels != CHANNELS) {
            return other("a checkpoint whose denoiser takes " + channels + " channels");
        }
        if (names.contains("edm_mean")) {
            return other("a Playground 2.5 checkpoint, trained with the noise of EDM");
        }
        if (any(names, SDXL_TEXT_2) || !any(names, REFINER_TEXT) && context == SDXL_CONTEXT) {
            return new ModelKind("a Stable Diffusion XL checkpoint", true, ModelFamily.SDXL);
        }
        if (any(names, REFINER_TEXT) || context == REFINER_CONTEXT) {
            return other("a Stable Diffusion XL refiner");
        }
        if (any(names, SD2_TEXT) || context == SD2_CONTEXT) {
            return other("a Stable Diffusion 2 checkpoint");
        }
        if (any(names, SD15_TEXT) || context == SD15_CONTEXT) {
            return new ModelKind("a Stable Diffusion 1 checkpoint", true, ModelFamily.SD15);
        }
        return other("a checkpoint of an unknown architecture, whose denoiser reads texts of width " + context);
    }

    /** What to call a file of tensors with these {@code names} that are no known network. */
    public static String unknown(Set<String> names) {
        return names.isEmpty()
                ? "a file without tensors"
                : "a file of unknown tensors, such as "
                        + String.join(", ", names.stream().limit(3).toList());
    }

    private static boolean any(Set<String> names, String prefix) {
        return names.stream().anyMatch(n -> n.startsWith(prefix));
    }

    private static ModelKind other(String what) {
        return new ModelKind(what, true, null);
    }
}
