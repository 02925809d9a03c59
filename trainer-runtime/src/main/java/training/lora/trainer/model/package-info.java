/** Stable Diffusion's networks and CLIP, built from their config.json, with weights by memory map. */
@NullMarked
package training.lora.trainer.model;

import org.jspecify.annotations.NullMarked;
