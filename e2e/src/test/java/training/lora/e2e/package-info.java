/** Operator, trainer and embedded cluster together, each as the program that it is. */
@NullMarked
package training.lora.e2e;

import org.jspecify.annotations.NullMarked;
