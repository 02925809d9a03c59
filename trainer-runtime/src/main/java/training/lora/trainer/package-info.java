/** The trainer's one exception, known to every room. */
@NullMarked
package training.lora.trainer;

import org.jspecify.annotations.NullMarked;
