/** Tells people, files and the operator how far a stage is. */
@NullMarked
package training.lora.trainer.report;

import org.jspecify.annotations.NullMarked;
