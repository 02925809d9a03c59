/** Configurations of other trainers, as a LoraTraining. It reads their text files, and knows the API and {@code files} alone. */
@NullMarked
package training.lora.trainer.convert;

import org.jspecify.annotations.NullMarked;
