/** Pictures as networks take them: resampled as Pillow does, normalised, plane by plane. */
@NullMarked
package training.lora.trainer.picture;

import org.jspecify.annotations.NullMarked;
