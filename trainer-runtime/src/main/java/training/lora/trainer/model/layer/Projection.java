package training.lora.trainer.model.layer;

import ai.djl.ndarray.types.Shape;
import java.util.List;

/**
 * A linear map or a convolution that an adapter can stand beside, of a denoiser or a text encoder.
 *
 * @param path module path in diffusers' names, such as {@code mid_block.attentions.0.transformer_blocks.0.attn1.to_q};
 *     that of a text encoder begins with its folder, as in
 *     {@code text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj}
 * @param in input features or channels
 * @param out output features or channels
 * @param kernel side of the convolution's kernel, 0 for a linear map
 * @param group what a target may call it
 */
public record Projection(String path, long in, long out, int kernel, Group group) {
    /** Groups of projections, which together are what kohya's networks.lora adapts, with its convolutions. */
    public enum Group {
        /**
         * Queries, keys, values and outputs of self- and cross-attention: {@code to_q, to_k, to_v, to_out.0}, and
         * {@code q_proj, k_proj, v_proj, out_proj} in text encoders.
         */
        Attention,
        /** The other maps of a transformer: {@code ff.net.0.proj, ff.net.2, proj_in, proj_out}, and {@code fc1, fc2}. */
        FeedForward,
        /** All of the ResNets and samplers: {@code conv1, time_emb_proj, conv2, conv_shortcut, samplers' conv}. */
        Convolution
    }

    static Projection linear(String path, long in, long out, Group group) {
        return new Projection(path, in, out, 0, group);
    }

    /** The path of a projection that stands at {@code modulePath} in {@code component}. */
    public static String path(Component component, String modulePath) {
        return component == Component.UNet ? modulePath : component.folder() + "." + modulePath;
    }

    /** The part of the model that the projection {@code path} is in. */
    public static Component componentOf(String path) {
        for (Component encoder : List.of(Component.TextEncoder, Component.TextEncoder2)) {
            if (path.startsWith(encoder.folder() + ".")) {
                return encoder;
            }
        }
        return Component.UNet;
    }

    /** The part of the model that it is in. */
    public Component component() {
        return componentOf(path);
    }

    /** Its path within its {@link #component}. */
    public String modulePath() {
        Component component = component();
        return component == Component.UNet
                ? path
                : path.substring(component.folder().length() + 1);
    }

    /** Whether it makes the keys of a cross-attention of what a text says. */
    public boolean makesKeysOfText() {
        return component() == Component.UNet && path.endsWith(".attn2.to_k");
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
