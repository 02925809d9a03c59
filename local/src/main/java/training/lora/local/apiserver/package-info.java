/** An API server in one JVM that kubectl, Fabric8 and the operator can talk to; what it imitates is in docs/decisions. */
@NullMarked
package training.lora.local.apiserver;

import org.jspecify.annotations.NullMarked;
