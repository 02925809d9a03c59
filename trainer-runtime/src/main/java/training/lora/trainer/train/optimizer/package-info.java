/** Algorithms that move parameters by their gradient, groups of parameters, and schedules of learning rates. */
@NullMarked
package training.lora.trainer.train.optimizer;

import org.jspecify.annotations.NullMarked;
