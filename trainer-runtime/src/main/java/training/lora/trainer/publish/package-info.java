/** Puts what a run made into its output folder, with a manifest of every file. */
@NullMarked
package training.lora.trainer.publish;

import org.jspecify.annotations.NullMarked;
