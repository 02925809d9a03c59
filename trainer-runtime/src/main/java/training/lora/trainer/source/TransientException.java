package training.lora.trainer.source;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A failure that may be over at the next try: an overloaded server, a cut connection. Its message goes on after a uri. */
public final class TransientException extends IOException {
    private static final long serialVersionUID = 1;

    private final transient @Nullable Duration wait;

    /**
     * @param message as in "answered 503 Service Unavailable"
     * @param wait what the server asks to wait before the next try; null if it doesn't say
     */
    public TransientException(String message, @Nullable Duration wait, @Nullable Throwable cause) {
        super(message, cause);
        this.wait = wait;
    }

    public @Nullable Duration waitFor() {
        return wait;
    }
}
