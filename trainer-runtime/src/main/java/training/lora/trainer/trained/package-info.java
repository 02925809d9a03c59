/** The train stage's folder: what a training leaves there for its next attempt and for other stages. */
@NullMarked
package training.lora.trainer.trained;

import org.jspecify.annotations.NullMarked;
