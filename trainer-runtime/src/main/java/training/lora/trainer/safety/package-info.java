/** Pictures that must not be: a classifier that tells how likely one is. */
@NullMarked
package training.lora.trainer.safety;

import org.jspecify.annotations.NullMarked;
