/** The frozen parameters of networks: declared with names and shapes, checked against files, and read from them. */
@NullMarked
package training.lora.trainer.model.weights;

import org.jspecify.annotations.NullMarked;
