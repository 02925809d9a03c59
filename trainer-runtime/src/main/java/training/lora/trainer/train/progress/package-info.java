/** How far a training has come: when to save, measure, warn and stop, the checkpoints that are kept, and what is told of it. */
@NullMarked
package training.lora.trainer.train.progress;

import org.jspecify.annotations.NullMarked;
