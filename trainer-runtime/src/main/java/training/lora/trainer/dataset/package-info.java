/** The prepared folder: what prepare writes and the later stages read. */
@NullMarked
package training.lora.trainer.dataset;

import org.jspecify.annotations.NullMarked;
