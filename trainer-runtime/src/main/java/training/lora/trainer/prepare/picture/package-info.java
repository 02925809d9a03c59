/** Picture files: known by their content, and decoded upright to 8-bit colours. */
@NullMarked
package training.lora.trainer.prepare.picture;

import org.jspecify.annotations.NullMarked;
