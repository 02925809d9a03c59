/** What is minimised: distances of predictions from their targets, and what each element counts. */
@NullMarked
package training.lora.trainer.train.objective;

import org.jspecify.annotations.NullMarked;
