/** Captions by a model, made of the cropped pictures. A model is a {@code Captioner}. */
@NullMarked
package training.lora.trainer.prepare.caption;

import org.jspecify.annotations.NullMarked;
