/** Makes captions fit for training: by a language model, or by rules. */
@NullMarked
package training.lora.trainer.prepare.words;

import org.jspecify.annotations.NullMarked;
