/** Decides what happens next to a run, from its resource and what was observed; has no client and no clock. */
@NullMarked
package training.lora.operator.plan;

import org.jspecify.annotations.NullMarked;
