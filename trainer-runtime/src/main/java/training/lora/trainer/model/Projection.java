package training.lora.trainer.model;

/**
 * A linear map of a denoiser that an adapter can stand beside.
 *
 * @param path module path in diffusers' names, such as {@code mid_block.attentions.0.transformer_blocks.0.attn1.to_q}
 * @param in input features
 * @param out output features
 * @param group what a target may call it
 */
public record Projection(String path, long in, long out, Group group) {
    /** Groups of projections. */
    public enum Group {
        Attention
    }
}
