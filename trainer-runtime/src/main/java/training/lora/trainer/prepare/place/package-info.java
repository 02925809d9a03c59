/** Which part of a picture is trained on and at what size. A way of sizing and cropping is a {@code Placement}. */
@NullMarked
package training.lora.trainer.prepare.place;

import org.jspecify.annotations.NullMarked;
