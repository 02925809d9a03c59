/** Trains an adapter: the step, its optimizer and losses, the loop with checkpoints and pictures, and what it publishes. */
@NullMarked
package training.lora.trainer.train;

import org.jspecify.annotations.NullMarked;
