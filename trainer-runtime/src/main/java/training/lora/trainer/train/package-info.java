/** Trains an adapter: the step, and the loop with checkpoints and pictures. */
@NullMarked
package training.lora.trainer.train;

import org.jspecify.annotations.NullMarked;
