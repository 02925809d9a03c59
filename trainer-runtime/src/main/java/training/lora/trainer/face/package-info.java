/** Faces: finding them and their outline by MediaPipe's networks, and comparing them. */
@NullMarked
package training.lora.trainer.face;

import org.jspecify.annotations.NullMarked;
