/** Digests of files, files that appear whole, files that nobody means, files of data sets, and the deletion of folders. */
@NullMarked
package training.lora.trainer.files;

import org.jspecify.annotations.NullMarked;
