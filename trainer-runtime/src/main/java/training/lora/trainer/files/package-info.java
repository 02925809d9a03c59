/** Digests of files, files that appear whole, and the deletion of folders. */
@NullMarked
package training.lora.trainer.files;

import org.jspecify.annotations.NullMarked;
