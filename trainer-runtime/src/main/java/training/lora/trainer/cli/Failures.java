package training.lora.trainer.cli;

import ai.djl.engine.EngineException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Finds the reason of a failure that came without one. */
final class Failures {
    /** What the C library says of a full disk, a quota that is used up, and a file above the process's limit. */
    private static final List<String> FULL =
            List.of("No space left on device", "Disk quota exceeded", "File too large");

    /** What it says of files that no retry will find otherwise. */
    private static final List<String> CLOSED = List.of(
            "Read-only file system",
            "Permission denied",
            "Operation not permitted",
            "Not a directory",
            "Is a directory");

    private Failures() {}

    static TrainerException classify(Throwable failure) {
        for (Throwable t = failure; t != null; t = t.getCause()) {
            String message = String.valueOf(t.getMessage());
            if (t instanceof TrainerException known) {
                return known;
            }
            if (t instanceof OutOfMemoryError
                    || (t instanceof EngineException && message.contains("allocate memory"))
                    || message.contains("CUDA out of memory")) {
                return new TrainerException(
                        Reason.OutOfMemory,
                        "memory must suffice for this training, but ran out; a smaller batch or resolution needs less",
                        failure);
            }
            if ((t instanceof IOException || t instanceof UncheckedIOException)
                    && FULL.stream().anyMatch(message::contains)) {
                return new TrainerException(
                        Reason.StorageFull,
                        "there must be room in the workspace and in the folder for temporary files, but disk or quota is full (%s); free some, or make the volume larger, and start again: what is finished is kept"
                                .formatted(message),
                        failure);
            }
            if (t instanceof AccessDeniedException
                    || (t instanceof FileSystemException && CLOSED.stream().anyMatch(message::contains))) {
                String why = ((FileSystemException) t).getReason();
                return new TrainerException(
                        Reason.InvalidConfiguration,
                        "%s must be open to this process, but: %s"
                                .formatted(
                                        ((FileSystemException) t).getFile(), why == null ? "Permission denied" : why),
                        failure);
            }
        }
        return new TrainerException(
                Reason.InternalError, "this should not have happened, please report it: " + failure, failure);
    }
}
