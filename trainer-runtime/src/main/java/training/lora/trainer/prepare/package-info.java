/**
 * Makes pictures and captions ready, in this order: decode ({@code prepare.picture}), mask of the whole picture
 * ({@code prepare.mask}), size and crop ({@code prepare.place}), write, captions by a model ({@code prepare.caption}),
 * which are rewritten where that is asked for ({@code prepare.words}), text embeddings, latents. {@code PrepareStage} holds the order; {@code PicturePipeline} is all up to the written picture.
 */
@NullMarked
package training.lora.trainer.prepare;

import org.jspecify.annotations.NullMarked;
