package training.lora.trainer.model.unet;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.weights.Config;

/**
 * What a UNet2DConditionModel's config.json says, as far as Stable Diffusion 1.x and SDXL use it; anything else is
 * refused.
 *
 * @param sampleSize side of the latents it was trained on
 * @param channels channels of a latent
 * @param contextWidth width of the text embedding
 * @param widths channels of each block
 * @param attention whether each down block has attention; the up blocks mirror it
 * @param layers ResNets in a down block
 * @param heads attention heads of each block
 * @param transformerLayers transformer blocks in each attention
 * @param groups groups of the group norms
 * @param normEps epsilon of the ResNets' norms
 * @param linearProjection whether attention enters and leaves by a linear map, not a 1x1 convolution
 * @param addition SDXL: what it is told beside the text; null for nothing
 */
@RecordBuilder
public record UNetConfig(
        int sampleSize,
        int channels,
        int contextWidth,
        List<Integer> widths,
        List<Boolean> attention,
        int layers,
        List<Integer> heads,
        List<Integer> transformerLayers,
        int groups,
        double normEps,
        boolean linearProjection,
        @Nullable Addition addition) {
    /**
     * Pooled text and a picture's sizes, embedded together.
     *
     * @param sizeWidth width of the embedding of each of the six sizes
     * @param inputWidth width of the pooled text and the sizes' embeddings behind it
     */
    public record Addition(int sizeWidth, int inputWidth) {
        /** Width of the pooled text. */
        public int pooledWidth() {
            return inputWidth - SIZES * sizeWidth;
        }
    }

    /** Numbers in a picture's time ids. */
    static final int SIZES = 6;

    /** Stable Diffusion 1.5's. */
    public static final UNetConfig SD15 = UNetConfigBuilder.builder()
            .sampleSize(64)
            .channels(4)
            .contextWidth(768)
            .widths(List.of(320, 640, 1280, 1280))
            .attention(List.of(true, true, true, false))
            .layers(2)
            .heads(List.of(8, 8, 8, 8))
            .transformerLayers(List.of(1, 1, 1, 1))
            .groups(32)
            .normEps(1e-5)
            .linearProjection(false)
            .build();

    /** SDXL's. */
    public static final UNetConfig SDXL = UNetConfigBuilder.builder()
            .sampleSize(128)
            .channels(4)
            .contextWidth(2048)
            .widths(List.of(320, 640, 1280))
            .attention(List.of(false, true, true))
            .layers(2)
            .heads(List.of(5, 10, 20))
            .transformerLayers(List.of(1, 2, 10))
            .groups(32)
            .normEps(1e-5)
            .linearProjection(true)
            .addition(new Addition(256, 2816))
            .build();

    public static UNetConfig read(Path file) {
        return of(Config.read(file));
    }

    public static UNetConfig of(Config c) {
        c.mustBe("_class_name", "UNet2DConditionModel");
        c.mustBe("act_fn", "silu");
        c.mustBe("center_input_sample", false);
        c.mustBe("flip_sin_to_cos", true);
        c.mustBe("freq_shift", 0);
        c.mustBe("mid_block_type", "UNetMidBlock2DCrossAttn");
        c.mustBe("downsample_padding", 1);
        c.mustBe("mid_block_scale_factor", 1);
        c.mustBe("dual_cross_attention", false);
        c.mustBe("only_cross_attention", false);
        c.mustBe("upcast_attention", false);
        c.mustBe("resnet_time_scale_shift", "default");
        c.mustBe("time_embedding_type", "positional");
        c.mustBe("attention_type", "default");
        c.mustBe("conv_in_kernel", 3);
        c.mustBe("conv_out_kernel", 3);
        c.mustBe("resnet_skip_time_act", false);
        c.mustBe("resnet_out_scale_factor", 1.0);
        for (String key : List.of(
                "class_embed_type",
                "encoder_hid_dim",
                "encoder_hid_dim_type",
                "num_class_embeds",
                "time_cond_proj_dim",
                "time_embedding_dim",
                "time_embedding_act_fn",
                "timestep_post_act",
                "cross_attention_norm",
                "reverse_transformer_layers_per_block")) {
            c.mustBeAbsent(key);
        }
        int[] widths = c.integers("block_out_channels");
        int[] heads = c.has("num_attention_heads")
                ? c.integers("num_attention_heads", widths.length, 8)
                // In a UNet's config this is the number of heads, whatever its name says.
                : c.integers("attention_head_dim", widths.length, 8);
        List<Boolean> attention = types(c, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", widths.length);
        List<Boolean> up = types(c, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", widths.length);
        for (int i = 0; i < widths.length; i++) {
            if (!up.get(widths.length - 1 - i).equals(attention.get(i))) {
                throw c.wrong("up_block_types", "the mirror image of down_block_types");
            }
        }
        int channels = c.integer("in_channels", 4);
        if (channels == 9) {
            throw c.wrong("in_channels", "4: an inpainting model can't be trained");
        }
        c.mustBe("out_channels", channels);
        return UNetConfigBuilder.builder()
                .sampleSize(c.integer("sample_size"))
                .channels(channels)
                .contextWidth(c.integer("cross_attention_dim"))
                .widths(list(widths))
                .attention(attention)
                .layers(c.integer("layers_per_block", 2))
                .heads(list(heads))
                .transformerLayers(list(c.integers("transformer_layers_per_block", widths.length, 1)))
                .groups(c.integer("norm_num_groups", 32))
                .normEps(c.number("norm_eps", 1e-5))
                .linearProjection(c.flag("use_linear_projection", false))
                .addition(addition(c))
                .build();
    }

    private static @Nullable Addition addition(Config c) {
        if (!c.has("addition_embed_type")) {
            return null;
        }
        c.mustBe("addition_embed_type", "text_time");
        Addition addition =
                new Addition(c.integer("addition_time_embed_dim"), c.integer("projection_class_embeddings_input_dim"));
        if (addition.pooledWidth() <= 0) {
            throw c.wrong("projection_class_embeddings_input_dim", "greater than 6 times addition_time_embed_dim");
        }
        return addition;
    }

    private static List<Boolean> types(Config c, String key, String with, String without, int count) {
        List<String> names = c.texts(key);
        if (names.size() != count || !names.stream().allMatch(n -> n.equals(with) || n.equals(without))) {
            throw c.wrong(key, count + " names out of " + with + " and " + without);
        }
        return names.stream().map(with::equals).toList();
    }

    private static List<Integer> list(int[] values) {
        return java.util.Arrays.stream(values).boxed().toList();
    }
}
