package training.lora.trainer.http;

import java.io.IOException;

/** Redirects that can't be followed. Its message goes on after a uri. */
public final class RedirectException extends IOException {
    private static final long serialVersionUID = 1;

    public RedirectException(String message) {
        super(message);
    }
}
