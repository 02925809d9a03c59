/** BLIP, which says in words what a picture shows; inference only. */
@NullMarked
package training.lora.trainer.model.blip;

import org.jspecify.annotations.NullMarked;
