package training.lora.trainer.model.layer;

import io.soabase.recordbuilder.core.RecordBuilder;

/**
 * Sizes of a layer of CLIP.
 *
 * @param width of a token
 * @param inner width between the MLP's two maps
 * @param heads of its attention
 * @param activation of the MLP
 * @param eps epsilon of the norms
 */
@RecordBuilder
public record ClipSizes(long width, long inner, int heads, ClipMlp.Activation activation, double eps) {}
