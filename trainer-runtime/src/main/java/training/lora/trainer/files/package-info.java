/** Digests of files and the deletion of folders. */
@NullMarked
package training.lora.trainer.files;

import org.jspecify.annotations.NullMarked;
