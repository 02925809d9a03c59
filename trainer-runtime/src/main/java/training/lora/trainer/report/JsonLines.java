package training.lora.trainer.report;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Consumer;
import training.lora.api.Json;
import training.lora.api.ProgressMessage;

/** Appends each message to a file, a line of JSON each. */
public final class JsonLines implements Consumer<ProgressMessage> {
    private final Path file;

    public JsonLines(Path file) {
        this.file = file;
    }

    @Override
    public void accept(ProgressMessage message) {
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Files.writeString(
                    file,
                    Json.MAPPER.writeValueAsString(message) + "\n",
                    StandardCharsets.UTF_8,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
