/** Measures the base model and each checkpoint by CLIP, and chooses the best. */
@NullMarked
package training.lora.trainer.evaluate;

import org.jspecify.annotations.NullMarked;
