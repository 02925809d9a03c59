/** Adapters put into checkpoints, added up, made smaller, and found again from two checkpoints. */
@NullMarked
package training.lora.trainer.merge;

import org.jspecify.annotations.NullMarked;
