package training.lora.trainer.model;

import ai.djl.ndarray.types.Shape;

/**
 * A linear map or a convolution of a denoiser that an adapter can stand beside.
 *
 * @param path module path in diffusers' names, such as {@code mid_block.attentions.0.transformer_blocks.0.attn1.to_q}
 * @param in input features or channels
 * @param out output features or channels
 * @param kernel side of the convolution's kernel, 0 for a linear map
 * @param group what a target may call it
 */
public record Projection(String path, long in, long out, int kernel, Group group) {
    /** Groups of projections, which together are what kohya's networks.lora adapts, with its convolutions. */
    public enum Group {
        /** Queries, keys, values and outputs of self- and cross-attention: {@code to_q, to_k, to_v, to_out.0}. */
        Attention,
        /** The other maps of a transformer: {@code ff.net.0.proj, ff.net.2, proj_in, proj_out}. */
        FeedForward,
        /** All of the ResNets and samplers: {@code conv1, time_emb_proj, conv2, conv_shortcut, samplers' conv}. */
        Convolution
    }

    static Projection linear(String path, long in, long out, Group group) {
        return new Projection(path, in, out, 0, group);
    }

    /** Features that A sees at once: in, or in times the kernel's area. */
    public long fanIn() {
        return in * Math.max(1, kernel * kernel);
    }

    /** A higher rank than this could not change more. */
    public int greatestRank() {
        return (int) Math.min(fanIn(), out);
    }

    /** Shape of A in files: (rank, in) or (rank, in, k, k). */
    public Shape downShape(int rank) {
        return kernel == 0 ? new Shape(rank, in) : new Shape(rank, in, kernel, kernel);
    }

    /** Shape of B in files: (out, rank) or (out, rank, 1, 1). */
    public Shape upShape(int rank) {
        return kernel == 0 ? new Shape(out, rank) : new Shape(out, rank, 1, 1);
    }
}
