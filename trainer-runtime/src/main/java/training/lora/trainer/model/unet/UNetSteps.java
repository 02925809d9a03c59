package training.lora.trainer.model.unet;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.Convolution;
import training.lora.trainer.model.layer.Layer;
import training.lora.trainer.model.layer.ResnetBlock;
import training.lora.trainer.model.layer.ResnetSizes;
import training.lora.trainer.model.layer.ResnetSizesBuilder;
import training.lora.trainer.model.layer.SpatialTransformer;
import training.lora.trainer.model.layer.TransformerSizes;
import training.lora.trainer.model.layer.TransformerSizesBuilder;
import training.lora.trainer.model.weights.ParameterSet;

/** Puts the layers of a denoiser in their order: down, middle, up, each level at its resolution. */
final class UNetSteps {
    private final UNetConfig config;
    private final ParameterSet parameters;
    private final long time;
    private final List<Chain.Step> steps = new ArrayList<>();

    private UNetSteps(UNetConfig config, ParameterSet parameters, long time) {
        this.config = config;
        this.parameters = parameters;
        this.time = time;
    }

    /**
     * Declares the weights of all layers, in their order.
     *
     * @param time width of the time embedding
     */
    static List<Chain.Step> of(UNetConfig config, ParameterSet parameters, long time) {
        return new UNetSteps(config, parameters, time).steps();
    }

    private List<Chain.Step> steps() {
        int levels = config.widths().size();
        int first = config.widths().get(0);
        int last = config.widths().get(levels - 1);
        Deque<Integer> skips = new ArrayDeque<>();
        add(Convolution.plain(parameters, "conv_in", config.channels(), first, 3), false);
        leave(skips, first);
        int width = first;
        for (int i = 0; i < levels; i++) {
            String path = "down_blocks." + i;
            for (int j = 0; j < config.layers(); j++) {
                int in = width;
                width = config.widths().get(i);
                resnet(path + ".resnets." + j, in, 0, width);
                attention(path + ".attentions." + j, i);
                leave(skips, width);
            }
            if (i < levels - 1) {
                add(Convolution.down(parameters, path + ".downsamplers.0.conv", width), false);
                leave(skips, width);
            }
        }
        resnet("mid_block.resnets.0", last, 0, last);
        transformer("mid_block.attentions.0", levels - 1);
        resnet("mid_block.resnets.1", last, 0, last);
        for (int i = levels - 1; i >= 0; i--) {
            String path = "up_blocks." + (levels - 1 - i);
            for (int j = 0; j <= config.layers(); j++) {
                int in = width;
                width = config.widths().get(i);
                resnet(path + ".resnets." + j, in, skips.pop(), width);
                attention(path + ".attentions." + j, i);
            }
            if (i > 0) {
                add(Convolution.up(parameters, path + ".upsamplers.0.conv", width), false);
            }
        }
        add(
                Convolution.normed(
                        parameters,
                        "conv_norm_out",
                        "conv_out",
                        first,
                        config.channels(),
                        config.groups(),
                        config.normEps()),
                false);
        return steps;
    }

    private void add(Layer layer, boolean takes) {
        steps.add(new Chain.Step(layer, takes, false));
    }

    /** Lets the newest step leave its output, of {@code width} channels, for the way up. */
    private void leave(Deque<Integer> skips, int width) {
        leave();
        skips.push(width);
    }

    private void leave() {
        steps.add(steps.remove(steps.size() - 1).leaving());
    }

    private void resnet(String path, long in, long skipped, long out) {
        ResnetSizes sizes = ResnetSizesBuilder.builder()
                .in(in)
                .skipped(skipped)
                .out(out)
                .time(time)
                .build();
        add(new ResnetBlock(parameters, path, sizes, config.groups(), config.normEps()), skipped > 0);
    }

    private void attention(String path, int level) {
        if (config.attention().get(level)) {
            transformer(path, level);
        }
    }

    private void transformer(String path, int level) {
        leave();
        TransformerSizes sizes = TransformerSizesBuilder.builder()
                .width(config.widths().get(level))
                .context(config.contextWidth())
                .heads(config.heads().get(level))
                .blocks(config.transformerLayers().get(level))
                .groups(config.groups())
                .linear(config.linearProjection())
                .build();
        SpatialTransformer.append(steps, parameters, path, sizes);
    }
}
