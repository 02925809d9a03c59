/** Receives what running trainers report and writes it to status.progress at a bounded rate. */
@NullMarked
package training.lora.operator.progress;

import org.jspecify.annotations.NullMarked;
