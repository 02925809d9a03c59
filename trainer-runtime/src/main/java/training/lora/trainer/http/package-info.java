/** Requests of HTTP that a maker's uri causes: to which addresses, through which proxy, trusting whom. */
@NullMarked
package training.lora.trainer.http;

import org.jspecify.annotations.NullMarked;
