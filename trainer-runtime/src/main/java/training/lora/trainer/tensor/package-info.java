/** Files of tensors, native operations, and random numbers that are functions of a seed. */
@NullMarked
package training.lora.trainer.tensor;

import org.jspecify.annotations.NullMarked;
