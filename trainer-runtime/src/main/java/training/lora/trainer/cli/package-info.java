/** The command line. */
@NullMarked
package training.lora.trainer.cli;

import org.jspecify.annotations.NullMarked;
