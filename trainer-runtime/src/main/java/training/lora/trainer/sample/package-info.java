/** Draws pictures with a model and an adapter, and lays them out. */
@NullMarked
package training.lora.trainer.sample;

import org.jspecify.annotations.NullMarked;
