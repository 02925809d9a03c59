/** The commands of ./demo: a cluster with the operator in it, and a training that is applied, followed and collected. */
@NullMarked
package training.lora.local.demo;

import org.jspecify.annotations.NullMarked;
