/** Altered copies of pictures. */
@NullMarked
package training.lora.trainer.prepare.augment;

import org.jspecify.annotations.NullMarked;
