/** Finds what a uri names: folders, and zip archives, which are unpacked with care. */
@NullMarked
package training.lora.trainer.source;

import org.jspecify.annotations.NullMarked;
