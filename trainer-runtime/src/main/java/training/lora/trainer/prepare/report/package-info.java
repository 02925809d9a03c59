/** The report of a data set: what its pictures are, and what a maker would do about them. */
@NullMarked
package training.lora.trainer.prepare.report;

import org.jspecify.annotations.NullMarked;
