package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.TorchScript;

/**
 * The denoiser, UNet2DConditionModel of diffusers. B pictures, C latent channels, h x w latents, S text tokens of width
 * D.
 */
public final class UNet implements AutoCloseable {
    private final UNetConfig config;
    private final NDManager manager;
    private final ParameterSet parameters = new ParameterSet();
    private final List<Projection> projections = new ArrayList<>();
    private final TorchScript embedTime;
    private final List<Parameter> timeWeights = new ArrayList<>();
    private final Convolution convIn;
    private final List<Level> down = new ArrayList<>();
    private final ResnetBlock middleIn;
    private final SpatialTransformer middle;
    private final ResnetBlock middleOut;
    private final List<Level> up = new ArrayList<>();
    private final Convolution convOut;

    /** One resolution: ResNets, each followed by attention where the level has it, then a change of resolution. */
    private record Level(
            List<ResnetBlock> resnets,
            List<SpatialTransformer> attentions,
            @Nullable Convolution resample) {}

    private UNet(UNetConfig config, NDManager manager) {
        this.config = config;
        this.manager = manager;
        int levels = config.widths().size();
        int first = config.widths().get(0);
        int last = config.widths().get(levels - 1);
        long time = 4L * first;
        timeWeights.addAll(List.of(parameters.withBias("time_embedding.linear_1", time, first)));
        timeWeights.addAll(List.of(parameters.withBias("time_embedding.linear_2", time, time)));
        embedTime = TorchScript.compile("t, w1, b1, w2, b2", """
                k = torch.to(torch.arange(%1$d), 6)
                e = torch.exp(torch.mul(k, %2$s))
                a = torch.mul(torch.unsqueeze(t, 1), torch.unsqueeze(e, 0))
                s = torch.cat([torch.cos(a), torch.sin(a)], 1)
                return torch.linear(torch.silu(torch.linear(s, w1, b1)), w2, b2)
                """.formatted(first / 2, -Math.log(10000) / (first / 2)));
        convIn = Convolution.plain(parameters, "conv_in", config.channels(), first, 3, 1);
        int width = first;
        for (int i = 0; i < levels; i++) {
            int in = width;
            width = config.widths().get(i);
            List<Long> inputs = new ArrayList<>(Collections.nCopies(config.layers(), (long) width));
            inputs.set(0, (long) in);
            String path = "down_blocks." + i;
            Convolution resample =
                    i < levels - 1 ? Convolution.down(parameters, path + ".downsamplers.0.conv", width, 1) : null;
            down.add(level(path, i, inputs, time, resample));
        }
        middleIn = resnet("mid_block.resnets.0", last, last, time);
        middle = attention("mid_block.attentions.0", levels - 1);
        middleOut = resnet("mid_block.resnets.1", last, last, time);
        width = last;
        for (int i = levels - 1; i >= 0; i--) {
            int previous = width;
            width = config.widths().get(i);
            int skip = config.widths().get(Math.max(i - 1, 0));
            List<Long> inputs = new ArrayList<>();
            for (int j = 0; j <= config.layers(); j++) {
                inputs.add((long) (j == 0 ? previous : width) + (j == config.layers() ? skip : width));
            }
            String path = "up_blocks." + (levels - 1 - i);
            Convolution resample = i > 0 ? Convolution.up(parameters, path + ".upsamplers.0.conv", width) : null;
            up.add(level(path, i, inputs, time, resample));
        }
        convOut = Convolution.normed(
                parameters, "conv_norm_out", "conv_out", first, config.channels(), config.groups(), config.normEps());
    }

    private Level level(String path, int i, List<Long> inputs, long time, @Nullable Convolution resample) {
        List<ResnetBlock> resnets = new ArrayList<>();
        List<SpatialTransformer> attentions = new ArrayList<>();
        for (int j = 0; j < inputs.size(); j++) {
            resnets.add(resnet(
                    path + ".resnets." + j, inputs.get(j), config.widths().get(i), time));
            if (config.attention().get(i)) {
                attentions.add(attention(path + ".attentions." + j, i));
            }
        }
        return new Level(resnets, attentions, resample);
    }

    private ResnetBlock resnet(String path, long in, long out, long time) {
        return new ResnetBlock(parameters, path, in, out, time, config.groups(), config.normEps());
    }

    private SpatialTransformer attention(String path, int level) {
        return new SpatialTransformer(
                parameters,
                projections,
                path,
                config.widths().get(level),
                config.contextWidth(),
                config.heads().get(level),
                config.transformerLayers().get(level),
                config.groups(),
                config.linearProjection());
    }

    /** Reads {@code folder}/config.json and its weights. */
    public static UNet open(Path folder, NDManager parent) {
        UNet unet = new UNet(UNetConfig.read(folder.resolve("config.json")), parent.newSubManager());
        try (SafeTensors file = ModelFiles.weights(folder, "diffusion_pytorch_model")) {
            unet.parameters.load(file, name -> file.entries().containsKey(name) ? name : null, unet.manager);
        }
        return unet;
    }

    /** With weights at random, for tests and benchmarks. */
    public static UNet random(UNetConfig config, long seed, NDManager parent) {
        UNet unet = new UNet(config, parent.newSubManager());
        unet.parameters.random(seed, unet.manager);
        return unet;
    }

    /** Its description. */
    public UNetConfig config() {
        return config;
    }

    /** Its frozen weights. */
    ParameterSet parameters() {
        return parameters;
    }

    /** The maps that an adapter can stand beside, in the order of the network's construction. */
    public List<Projection> projections() {
        return Collections.unmodifiableList(projections);
    }

    /**
     * Predicts the noise. What it makes belongs to {@code sample}'s manager.
     *
     * @param sample noisy latents (B, C, h, w); h and w must be divisible by 2 to the number of levels less one
     * @param timesteps (B), fp32
     * @param context text embedding (B, S, D)
     * @return (B, C, h, w)
     */
    public NDArray forward(NDArray sample, NDArray timesteps, NDArray context, ProjectionDeltas deltas) {
        NDManager scope = sample.getManager();
        NDArray time = embedTime.call(
                scope,
                timesteps,
                timeWeights.get(0).array(),
                timeWeights.get(1).array(),
                timeWeights.get(2).array(),
                timeWeights.get(3).array()); // (B, 4 first)
        NDArray h = convIn.forward(scope, sample);
        Deque<NDArray> skips = new ArrayDeque<>();
        skips.push(h);
        for (Level level : down) {
            for (int j = 0; j < level.resnets().size(); j++) {
                h = block(scope, level, j, h, time, context, deltas, false);
                skips.push(h);
            }
            if (level.resample() != null) {
                h = level.resample().forward(scope, h);
                skips.push(h);
            }
        }
        h = middleIn.forward(scope, h, time);
        h = replace(h, middle.forward(scope, h, context, deltas));
        h = replace(h, middleOut.forward(scope, h, time));
        for (Level level : up) {
            for (int j = 0; j < level.resnets().size(); j++) {
                NDArray skip = skips.pop();
                NDArray joined = NDArrays.concat(new NDList(h, skip), 1);
                h.close();
                skip.close();
                h = block(scope, level, j, joined, time, context, deltas, true);
            }
            if (level.resample() != null) {
                h = replace(h, level.resample().forward(scope, h));
            }
        }
        time.close();
        return replace(h, convOut.forward(scope, h));
    }

    private static NDArray block(
            NDManager scope,
            Level level,
            int j,
            NDArray x,
            NDArray time,
            NDArray context,
            ProjectionDeltas deltas,
            boolean closeInput) {
        NDArray y = level.resnets().get(j).forward(scope, x, time);
        if (closeInput) {
            x.close();
        }
        return level.attentions().isEmpty()
                ? y
                : replace(y, level.attentions().get(j).forward(scope, y, context, deltas));
    }

    /** Lets go of an intermediate at once: autograd keeps what it needs by itself. */
    private static NDArray replace(NDArray old, NDArray next) {
        old.close();
        return next;
    }

    @Override
    public void close() {
        manager.close();
    }
}
