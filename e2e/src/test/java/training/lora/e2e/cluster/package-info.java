/** The operator on a real Kubernetes of this machine, whose scripts are in {@code e2e/cluster}; `mvn verify -Pcluster`. */
@NullMarked
package training.lora.e2e.cluster;

import org.jspecify.annotations.NullMarked;
