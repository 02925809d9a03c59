/** What every package uses: the trainer's one exception, and names in its sentences. */
@NullMarked
package training.lora.trainer;

import org.jspecify.annotations.NullMarked;
