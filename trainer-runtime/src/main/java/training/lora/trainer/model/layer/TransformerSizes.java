package training.lora.trainer.model.layer;

import io.soabase.recordbuilder.core.RecordBuilder;

/**
 * Sizes of a denoiser's transformer.
 *
 * @param width channels of a token
 * @param context width of the text embedding
 * @param heads of its attentions
 * @param blocks of self-attention, cross-attention and a feed-forward
 * @param groups of the group norm before it
 * @param linear whether a linear map leads into it and out of it, not a 1x1 convolution
 */
@RecordBuilder
public record TransformerSizes(long width, long context, int heads, int blocks, int groups, boolean linear) {}
