package training.lora.trainer.track;

import java.io.IOException;

/** A service answered that it won't, so that asking again is no use. */
final class RefusedException extends IOException {
    private static final long serialVersionUID = 1;

    private final int status;

    /** @param status of HTTP; 0 for none */
    RefusedException(int status, String message) {
        super(message);
        this.status = status;
    }

    int status() {
        return status;
    }
}
