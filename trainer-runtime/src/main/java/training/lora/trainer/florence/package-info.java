/** Florence-2, which says in words what a picture shows, as its published export to ONNX. */
@NullMarked
package training.lora.trainer.florence;

import org.jspecify.annotations.NullMarked;
