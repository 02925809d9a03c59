package training.lora.local.demo;

import org.jspecify.annotations.Nullable;

/** One sentence for the person at the terminal. */
final class DemoException extends RuntimeException {
    private static final long serialVersionUID = 1;

    DemoException(@Nullable String message) {
        super(message);
    }
}
