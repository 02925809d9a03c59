/** Masks: how much each part of a picture counts. A new source of masks is a {@code MaskMaker}. */
@NullMarked
package training.lora.trainer.prepare.mask;

import org.jspecify.annotations.NullMarked;
