/** CLIP: its tokenizer, its text encoders, and the whole of it, which compares texts with pictures. */
@NullMarked
package training.lora.trainer.model.text;

import org.jspecify.annotations.NullMarked;
