package training.lora.trainer.model.basemodel;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.ModelFamily;
import training.lora.trainer.model.unet.UNetConfig;
import training.lora.trainer.model.weights.Stored;

/** Where a single file in the original layout keeps each tensor of a diffusers folder. */
public final class OriginalNames {
    private static final Map<String, String> OLD_ATTENTION =
            Map.of(".query.", ".to_q.", ".key.", ".to_k.", ".value.", ".to_v.", ".proj_attn.", ".to_out.0.");

    private final ModelFamily family;
    private final UNetStateDictAdapter unet;
    private final int vaeLevels;

    /** Of a model whose networks are so described. */
    public OriginalNames(ModelFamily family, UNetConfig unet, int vaeLevels) {
        this.family = family;
        this.unet = new UNetStateDictAdapter(unet);
        this.vaeLevels = vaeLevels;
    }

    /** Of the model in the folder {@code base}. */
    public static OriginalNames of(DiffusersFolder base) {
        return new OriginalNames(
                base.family(),
                UNetConfig.of(base.part(Part.UNet).config()),
                base.part(Part.Vae).config().integers("block_out_channels").length);
    }

    /**
     * Where the tensor that a folder of {@code part} calls {@code name} goes; null if a single file has no place for it.
     *
     * @param name older forms too
     */
    public @Nullable Stored place(Part part, String name) {
        return switch (part) {
            case UNet -> {
                String original = unet.toOriginal(name);
                yield original == null ? null : Stored.whole(ModelKind.UNET + original);
            }
            case Vae -> {
                String newer = name;
                for (Map.Entry<String, String> old : new TreeMap<>(OLD_ATTENTION).entrySet()) {
                    newer = newer.replace(old.getKey(), old.getValue());
                }
                yield Stored.whole(ModelKind.VAE + VaeStateDictAdapter.toOriginal(newer, vaeLevels));
            }
            case TextEncoder -> {
                String prefix = family == ModelFamily.SD15 ? ModelKind.SD15_TEXT : ModelKind.SDXL_TEXT;
                yield Stored.whole(prefix + withModel(name));
            }
            case TextEncoder2 ->
                name.endsWith(".position_ids")
                        ? null
                        : OpenClipStateDictAdapter.find(Set.of(), ModelKind.SDXL_TEXT_2, withModel(name));
        };
    }

    private static String withModel(String name) {
        return name.startsWith("text_model.") || name.startsWith("text_projection.") ? name : "text_model." + name;
    }

    /** The shape there of a tensor of {@code shape}: the autoencoder's attention is of convolutions. */
    public static long[] shape(Part part, String key, long[] shape) {
        return part == Part.Vae && shape.length == 2 && key.contains(".attn_1.")
                ? new long[] {shape[0], shape[1], 1, 1}
                : shape;
    }
}
