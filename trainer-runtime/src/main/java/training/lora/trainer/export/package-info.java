/** Adapter files in the forms that other tools read, written and read back. */
@NullMarked
package training.lora.trainer.export;

import org.jspecify.annotations.NullMarked;
