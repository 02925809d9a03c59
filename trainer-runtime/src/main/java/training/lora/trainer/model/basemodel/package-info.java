/** Files that a base model is read from: a folder or a single file, of which family, under whose names. */
@NullMarked
package training.lora.trainer.model.basemodel;

import org.jspecify.annotations.NullMarked;
