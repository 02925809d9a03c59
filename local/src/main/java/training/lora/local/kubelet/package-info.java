/** Runs pods as processes of this machine, with folders for volumes, and binds claims to folders. */
@NullMarked
package training.lora.local.kubelet;

import org.jspecify.annotations.NullMarked;
