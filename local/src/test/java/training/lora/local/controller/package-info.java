@NullMarked
package training.lora.local.controller;

import org.jspecify.annotations.NullMarked;
