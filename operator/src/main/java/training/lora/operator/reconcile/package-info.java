/** Observes, asks the plan, acts and writes the status, as the Java Operator SDK calls. */
@NullMarked
package training.lora.operator.reconcile;

import org.jspecify.annotations.NullMarked;
