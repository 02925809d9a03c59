package training.lora.trainer;

import training.lora.api.Reason;

/** A failure with a reason that decides the exit code, and one sentence for the person who asked. */
public final class TrainerException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Reason reason;

    public TrainerException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    public TrainerException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    /** Why; its exit code is the process's. */
    public Reason reason() {
        return reason;
    }
}
