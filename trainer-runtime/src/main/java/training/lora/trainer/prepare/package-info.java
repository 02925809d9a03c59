/** Makes pictures and captions ready: decoded, cropped, encoded to latents and text embeddings. */
@NullMarked
package training.lora.trainer.prepare;

import org.jspecify.annotations.NullMarked;
