package training.lora.trainer.train;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import training.lora.api.AdapterType;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.model.unet.UNetConfig;

/**
 * Numbers that a denoiser's recorded pass keeps and works on, by the layers' order in {@code UNet}: B pictures of h x w
 * latents, C channels, P = B h w pixels of a level, S tokens of the text.
 *
 * <ul>
 *   <li>a ResNet keeps the middle, C P, and gives C P
 *   <li>a transformer gives C P, and keeps C P where it is entered; each of its blocks keeps queries, keys, values, the
 *       attended values and the result of self-attention, 5 C P, of cross-attention 3 C P and 2 C B S, and C P of the
 *       feed-forward
 *   <li>beside an adapted projection of rank r: r of each of its rows, and with DoRA as many as it gives
 * </ul>
 */
final class ActivationSizes {
    /** Arrays as large as its input that a ResNet's way back has at once. */
    private static final int RESNET_ARRAYS = 7;

    /** The same of a transformer's width. */
    private static final int TRANSFORMER_ARRAYS = 9;

    /** The same where a feed-forward is adapted, whose inner arrays are then whole. */
    private static final int FEED_FORWARD_ARRAYS = 24;

    private final UNetConfig config;
    private final List<AdaptedProjection> adapted;
    private final long batch;
    private final long tokens;
    private long all;
    private long inputs;
    private long greatestBlock;
    private long greatestWork;

    /**
     * @param adapted what an adapter stands beside in the denoiser
     * @param batch B
     * @param latents h w
     * @param tokens S
     */
    ActivationSizes(UNetConfig config, List<AdaptedProjection> adapted, long batch, long latents, long tokens) {
        this.config = config;
        this.adapted = adapted;
        this.batch = batch;
        this.tokens = tokens;
        walk(batch * latents);
    }

    /** Numbers that are kept between the two ways where layers' states are. */
    long ofLayers() {
        return all;
    }

    /** The same where blocks' inputs are, with the states of the block that is walked back. */
    long ofBlocks() {
        return inputs + greatestBlock;
    }

    /** Numbers that the largest layer works on beside what is kept. */
    long work() {
        return greatestWork;
    }

    private void walk(long pixels) {
        int levels = config.widths().size();
        Deque<Long> skips = new ArrayDeque<>();
        long p = pixels;
        long width = config.widths().get(0);
        given(width * p);
        skips.push(width);
        for (int i = 0; i < levels; i++) {
            String path = "down_blocks." + i;
            for (int j = 0; j < config.layers(); j++) {
                long in = width;
                width = config.widths().get(i);
                resnet(path + ".resnets." + j + ".", in, width, p);
                transformer(path + ".attentions." + j + ".", i, p);
                skips.push(width);
            }
            if (i < levels - 1) {
                p /= 4;
                given(width * p);
                skips.push(width);
            }
        }
        resnet("mid_block.resnets.0.", width, width, p);
        blocks("mid_block.attentions.0.", levels - 1, p);
        resnet("mid_block.resnets.1.", width, width, p);
        for (int i = levels - 1; i >= 0; i--) {
            String path = "up_blocks." + (levels - 1 - i);
            for (int j = 0; j <= config.layers(); j++) {
                long in = width + skips.pop();
                width = config.widths().get(i);
                resnet(path + ".resnets." + j + ".", in, width, p);
                transformer(path + ".attentions." + j + ".", i, p);
            }
            if (i > 0) {
                p *= 4;
                given(width * p);
            }
        }
    }

    /** A layer's output, the input of a block. */
    private void given(long numbers) {
        all += numbers;
        inputs += numbers;
    }

    private void block(long kept, long work) {
        all += kept;
        greatestBlock = Math.max(greatestBlock, kept);
        greatestWork = Math.max(greatestWork, work);
    }

    private void resnet(String path, long in, long out, long p) {
        block(out * p + beside(path, p), RESNET_ARRAYS * Math.max(in, out) * p);
        given(out * p);
    }

    private void transformer(String path, int level, long p) {
        if (config.attention().get(level)) {
            blocks(path, level, p);
        }
    }

    private void blocks(String path, int level, long p) {
        long width = config.widths().get(level);
        boolean wide = adapted.stream()
                .anyMatch(a -> a.projection().path().startsWith(path)
                        && a.projection().path().contains(".ff."));
        long work = (wide ? FEED_FORWARD_ARRAYS : TRANSFORMER_ARRAYS) * width * p;
        int count = config.transformerLayers().get(level);
        for (int i = 0; i < count; i++) {
            String block = path + "transformer_blocks." + i + ".";
            long entered = i == 0 ? width * p + beside(path + "proj_", p) : 0;
            block(entered + 8 * width * p + 2 * width * batch * tokens + beside(block, p), work);
            given(width * p);
        }
    }

    /** What adapted projections below {@code path} keep. */
    private long beside(String path, long p) {
        return adapted.stream()
                .filter(a -> a.projection().path().startsWith(path))
                .mapToLong(a -> {
                    String own = a.projection().path();
                    boolean ofText = own.endsWith("attn2.to_k") || own.endsWith("attn2.to_v");
                    long rows = ofText ? batch * tokens : own.endsWith("time_emb_proj") ? batch : p;
                    return rows
                            * (a.rank()
                                    + (a.kind() instanceof Dora ? a.projection().out() : 0));
                })
                .sum();
    }

    /** Whether weights of the adapter's own are made at each pass, as LoHa and LoKr do. */
    static boolean makesWeights(AdapterType type) {
        return type == AdapterType.LoHa || type == AdapterType.LoKr;
    }
}
