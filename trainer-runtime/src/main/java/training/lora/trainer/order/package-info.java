/** In which order a run goes through its samples, and how long it is with them. */
@NullMarked
package training.lora.trainer.order;

import org.jspecify.annotations.NullMarked;
