package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import training.lora.trainer.model.layer.Convolution;
import training.lora.trainer.model.layer.Layer;
import training.lora.trainer.model.layer.Pass;
import training.lora.trainer.model.layer.ResnetBlock;
import training.lora.trainer.model.layer.ResnetSizes;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/** The autoencoder, AutoencoderKL of diffusers: pictures (B, 3, H, W) in [-1, 1] to latents (B, C, H/f, W/f), and back. */
public final class Vae implements AutoCloseable {
    private static final double NORM_EPS = 1e-6;

    private final NDManager manager;
    private final ParameterSet parameters;
    private final int latentChannels;
    private final double scalingFactor;
    private final int factor;
    private final int firstWidth;
    private final int secondWidth;
    private final int groups;
    private final Stack encoder;
    private final Convolution quantize;
    private final Convolution unquantize;
    private final Stack decoder;
    private final TorchScript moments;

    /** What encoder and decoder have in common: a way in, levels, a middle, a way out; the middle's place differs. */
    private record Stack(Convolution in, List<Step> steps, Convolution out) {
        NDArray forward(NDManager scope, NDArray x) {
            Pass pass = Pass.plain(scope);
            NDArray h = in.forward(pass, x, null);
            for (Step step : steps) {
                NDArray next = step.forward(pass, h);
                h.close();
                h = next;
            }
            NDArray y = out.forward(pass, h, null);
            h.close();
            return y;
        }
    }

    @FunctionalInterface
    private interface Step {
        NDArray forward(Pass pass, NDArray x);
    }

    private Vae(Config config, double scale, NDManager manager) {
        this.manager = manager;
        this.parameters = new ParameterSet(manager.getDevice());
        config.mustBe("_class_name", "AutoencoderKL");
        config.mustBe("act_fn", "silu");
        config.mustBeAbsent("latents_mean");
        config.mustBeAbsent("latents_std");
        config.mustBeAbsent("shift_factor");
        config.mustBe("mid_block_add_attention", true);
        config.mustBe("use_quant_conv", true);
        config.mustBe("use_post_quant_conv", true);
        config.mustBe("in_channels", 3);
        config.mustBe("out_channels", 3);
        int[] widths = config.integers("block_out_channels");
        int layers = config.integer("layers_per_block", 1);
        latentChannels = config.integer("latent_channels", 4);
        scalingFactor = config.number("scaling_factor", scale);
        groups = config.integer("norm_num_groups", 32);
        factor = 1 << (widths.length - 1);
        int last = widths[widths.length - 1];
        firstWidth = widths[0];
        secondWidth = widths[Math.min(1, widths.length - 1)];

        Convolution in = Convolution.plain(parameters, "encoder.conv_in", 3, widths[0], 3);
        List<Step> down = new ArrayList<>();
        int width = widths[0];
        for (int i = 0; i < widths.length; i++) {
            String path = "encoder.down_blocks." + i;
            width = resnets(down, path, width, widths[i], layers);
            if (i < widths.length - 1) {
                down.add(halve(path + ".downsamplers.0.conv", width));
            }
        }
        middle(down, "encoder.mid_block", last);
        encoder = new Stack(
                in,
                down,
                Convolution.normed(
                        parameters,
                        "encoder.conv_norm_out",
                        "encoder.conv_out",
                        last,
                        2L * latentChannels,
                        groups,
                        NORM_EPS));
        quantize = Convolution.plain(parameters, "quant_conv", 2L * latentChannels, 2L * latentChannels, 1);
        unquantize = Convolution.plain(parameters, "post_quant_conv", latentChannels, latentChannels, 1);

        Convolution decoderIn = Convolution.plain(parameters, "decoder.conv_in", latentChannels, last, 3);
        List<Step> up = new ArrayList<>();
        middle(up, "decoder.mid_block", last);
        width = last;
        for (int i = 0; i < widths.length; i++) {
            String path = "decoder.up_blocks." + i;
            width = resnets(up, path, width, widths[widths.length - 1 - i], layers + 1);
            if (i < widths.length - 1) {
                up.add(step(Convolution.up(parameters, path + ".upsamplers.0.conv", width)));
            }
        }
        decoder = new Stack(
                decoderIn,
                up,
                Convolution.normed(
                        parameters, "decoder.conv_norm_out", "decoder.conv_out", widths[0], 3, groups, NORM_EPS));
        moments = TorchScript.compile(
                List.of("x"),
                List.of(
                        "m = torch.mul(torch.slice(x, 1, 0, %d), %s)".formatted(latentChannels, scalingFactor),
                        "v = torch.clamp(torch.slice(x, 1, %d, %d), -30., 20.)"
                                .formatted(latentChannels, 2 * latentChannels),
                        "return (m, torch.mul(torch.exp(torch.mul(v, 0.5)), %s))".formatted(scalingFactor)),
                2);
    }

    /** Its weights. */
    List<Parameter> parameters() {
        return parameters.all();
    }

    /**
     * Numbers that the decoder's last level works on, its largest: a ResNet's input, its norm and a convolution's layout, of
     * the second width, and four arrays of the first.
     *
     * @param latents pixels of latents
     */
    long decodingNumbers(long latents) {
        return latents * factor * factor * (3L * secondWidth + 4L * firstWidth);
    }

    private int resnets(List<Step> steps, String path, int in, int out, int count) {
        for (int j = 0; j < count; j++) {
            steps.add(step(new ResnetBlock(
                    parameters, path + ".resnets." + j, ResnetSizes.plain(j == 0 ? in : out, out), groups, NORM_EPS)));
        }
        return out;
    }

    private void middle(List<Step> steps, String path, int width) {
        resnets(steps, path, width, width, 1);
        steps.add(attention(path + ".attentions.0", width));
        steps.add(step(
                new ResnetBlock(parameters, path + ".resnets.1", ResnetSizes.plain(width, width), groups, NORM_EPS)));
    }

    /** Attention over pixels with one head. */
    private Step attention(String path, int width) {
        Weights weights = new Weights()
                .add("n", parameters.norm(path + ".group_norm", width))
                .add("q", parameters.withBias(path + ".to_q", width, width))
                .add("k", parameters.withBias(path + ".to_k", width, width))
                .add("v", parameters.withBias(path + ".to_v", width, width))
                .add("o", parameters.withBias(path + ".to_out.0", width, width));
        Weights.Kernel kernel = weights.kernel(
                List.of("x"),
                Template.fill("""
                n = torch.group_norm(x, {groups}, nw, nb, {eps})
                t = torch.reshape(torch.permute(n, [0, 2, 3, 1]), [torch.size(x, 0), 1, -1, {width}])
                o = torch.scaled_dot_product_attention(torch.linear(t, qw, qb), torch.linear(t, kw, kb), torch.linear(t, vw, vb))
                y = torch.reshape(torch.linear(o, ow, ob), [torch.size(x, 0), torch.size(x, 2), torch.size(x, 3), {width}])
                """, Map.of("groups", groups, "eps", NORM_EPS, "width", width)),
                List.of("torch.add(torch.contiguous(torch.permute(y, [0, 3, 1, 2])), x)"));
        return (pass, x) -> kernel.call(pass.scope(), x);
    }

    /** Halves height and width, padding right and below only. */
    private Step halve(String path, int width) {
        Weights.Kernel kernel = new Weights()
                .add("c", parameters.withBias(path, width, width, 3, 3))
                .kernel(
                        List.of("x"),
                        "p = torch.constant_pad_nd(x, [0, 1, 0, 1], 0)",
                        List.of("torch.conv2d(p, cw, cb, [2, 2], [0, 0], [1, 1], 1)"));
        return (pass, x) -> kernel.call(pass.scope(), x);
    }

    private static Step step(Layer layer) {
        return (pass, x) -> layer.forward(pass, x, null);
    }

    /**
     * Reads its description and its weights.
     *
     * @param scale scaling factor of latents where its description has none
     */
    static Vae open(PartSource source, double scale, NDManager parent) {
        Vae vae = new Vae(source.config(), scale, parent.newSubManager());
        source.load(vae.parameters, vae.manager);
        return vae;
    }

    /** Without weights, to ask what it is made of; {@code source} describes it and must hold them. */
    static Vae outline(PartSource source, double scale, NDManager parent) {
        Vae vae = new Vae(source.config(), scale, parent.newSubManager());
        source.check(vae.parameters);
        return vae;
    }

    /** Pixels a side of a latent. */
    public int factor() {
        return factor;
    }

    /** Channels of a latent. */
    public int latentChannels() {
        return latentChannels;
    }

    /** The distribution of the latents of {@code pictures} (B, 3, H, W) in [-1, 1], scaled. */
    public LatentMoments encode(NDArray pictures) {
        NDManager scope = pictures.getManager();
        NDArray h = encoder.forward(scope, pictures);
        NDArray q = quantize.forward(Pass.plain(scope), h, null);
        NDList result = moments.callAll(scope, q);
        h.close();
        q.close();
        return new LatentMoments(result.get(0), result.get(1));
    }

    /** Pictures (B, 3, H, W), about in [-1, 1], of scaled {@code latents} (B, C, h, w). */
    public NDArray decode(NDArray latents) {
        NDManager scope = latents.getManager();
        NDArray unscaled = latents.div(scalingFactor);
        NDArray h = unquantize.forward(Pass.plain(scope), unscaled, null);
        unscaled.close();
        NDArray y = decoder.forward(scope, h);
        h.close();
        return y;
    }

    @Override
    public void close() {
        manager.close();
    }
}
