/** The embedded cluster: API server, Job controller and kubelet in one JVM. */
@NullMarked
package training.lora.local;

import org.jspecify.annotations.NullMarked;
