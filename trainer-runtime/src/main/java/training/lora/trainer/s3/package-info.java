/** Buckets: where they are, with which keys, what lies in them, and what their refusals mean. */
@NullMarked
package training.lora.trainer.s3;

import org.jspecify.annotations.NullMarked;
