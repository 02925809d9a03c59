/** Models in the ONNX format: opening a file, running it on named arrays, and which files of a folder are one. */
@NullMarked
package training.lora.trainer.onnx;

import org.jspecify.annotations.NullMarked;
