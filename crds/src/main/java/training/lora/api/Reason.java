package training.lora.api;

/**
 * Why a stage failed: what the trainer's exit code, the result, the stage's status and the condition say. The exit
 * codes are part of the command line's contract; {@code retriable} says whether the same work may succeed later.
 */
public enum Reason {
    InternalError(1, true),
    Usage(2, false),
    InvalidConfiguration(10, false),
    OutputOwned(10, false),
    InvalidData(11, false),
    /** The captions that came back from a review are no captions of the pictures: the run waits for them. */
    InvalidCaptions(11, false),
    InvalidBaseModel(12, false),
    /** The loss or the adapter went out of bounds, as often as the watchdog may go back. */
    Diverged(13, false),
    SourceUnreachable(20, true),
    StorageFull(21, true),
    OutOfMemory(22, true),
    /** Another process works in the workspace. */
    WorkspaceInUse(23, true),
    Preempted(75, true),

    /** Seen from outside: the container was killed, or ended without a result. */
    PodFailed(-1, true),
    /** Seen from outside: the Job was deleted while it ran. */
    JobLost(-1, true),
    /** Seen from outside: the spec was changed before the attempt began to run. */
    Superseded(-1, true),
    /** Seen from outside: {@code spec.activeDeadlineSeconds} or {@code spec.startDeadlineSeconds} passed. */
    DeadlineExceeded(-1, false);

    private final int exitCode;
    private final boolean retriable;

    Reason(int exitCode, boolean retriable) {
        this.exitCode = exitCode;
        this.retriable = retriable;
    }

    /** The exit code of the trainer, or -1 where the trainer itself never says so. */
    public int exitCode() {
        return exitCode;
    }

    /** Whether a retry may succeed. */
    public boolean retriable() {
        return retriable;
    }

    /** The first reason with that exit code; {@link #PodFailed} where there is none. */
    public static Reason ofExitCode(int exitCode) {
        for (Reason reason : values()) {
            if (reason.exitCode == exitCode) {
                return reason;
            }
        }
        return PodFailed;
    }
}
