/** LoRA factors in one flat arena, and their views beside the projections of a denoiser. */
@NullMarked
package training.lora.trainer.adapter;

import org.jspecify.annotations.NullMarked;
