/** The operator: its settings and its entry points for the frameworks it runs on. */
@NullMarked
package training.lora.operator;

import org.jspecify.annotations.NullMarked;
