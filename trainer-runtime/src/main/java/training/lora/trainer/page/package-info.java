/** Pages for people: one HTML file each, that loads nothing and is read on a phone as on a large screen. */
@NullMarked
package training.lora.trainer.page;

import org.jspecify.annotations.NullMarked;
