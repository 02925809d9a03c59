/** The mathematics of diffusion: how noise is added while training, and taken away while sampling. */
@NullMarked
package training.lora.trainer.diffusion;

import org.jspecify.annotations.NullMarked;
