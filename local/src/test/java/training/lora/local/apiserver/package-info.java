@NullMarked
package training.lora.local.apiserver;

import org.jspecify.annotations.NullMarked;
