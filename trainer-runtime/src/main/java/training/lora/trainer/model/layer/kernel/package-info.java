/** TorchScript of layers, forward and backward. */
@NullMarked
package training.lora.trainer.model.layer.kernel;

import org.jspecify.annotations.NullMarked;
