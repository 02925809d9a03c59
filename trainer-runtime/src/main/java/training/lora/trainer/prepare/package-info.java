/**
 * Makes pictures and captions ready, in this order: decode ({@code prepare.picture}), mask of the whole picture
 * ({@code prepare.mask}), size and crop ({@code prepare.place}), write, captions by a model ({@code prepare.caption}), text
 * embeddings, latents. {@code PrepareStage} holds the order; {@code PicturePipeline} is all up to the written picture.
 */
@NullMarked
package training.lora.trainer.prepare;

import org.jspecify.annotations.NullMarked;
