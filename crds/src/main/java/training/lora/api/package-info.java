/** The LoraTraining resource and the messages that operator and trainer exchange. */
@NullMarked
package training.lora.api;

import org.jspecify.annotations.NullMarked;
