/** Layers with backward passes written by hand, their projections, and what an adapter adds to these. */
@NullMarked
package training.lora.trainer.model.layer;

import org.jspecify.annotations.NullMarked;
