@NullMarked
package training.lora.local;

import org.jspecify.annotations.NullMarked;
