package training.lora.local.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The cluster that `up` started. */
final class Background {
    private Background() {}

    /** Its process, if it lives; a number that another program has got meanwhile does not count. */
    static Optional<ProcessHandle> running(Path dir) throws IOException {
        Path file = dir.resolve(ServeCommand.PID);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        return ProcessHandle.of(Long.parseLong(Files.readString(file).strip()))
                .filter(p -> p.info().arguments().stream()
                        .flatMap(java.util.Arrays::stream)
                        .anyMatch(dir.toString()::equals));
    }
}
