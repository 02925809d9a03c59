/** What a step is trained on, as a function of the seed and the batch's number: cached data, captions, timesteps and noise. */
@NullMarked
package training.lora.trainer.train.batch;

import org.jspecify.annotations.NullMarked;
