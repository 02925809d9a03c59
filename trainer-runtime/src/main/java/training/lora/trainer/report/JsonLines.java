package training.lora.trainer.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.ProgressMessage;
import training.lora.trainer.files.WholeFile;

/**
 * Appends each message to a file, a line of JSON each. A stage that goes back, after an interruption or by itself, takes
 * back what it said of the steps that it does again: no step of a stage stands there twice.
 */
public final class JsonLines implements Consumer<ProgressMessage> {
    private final Path file;
    private @Nullable ProgressMessage last;

    public JsonLines(Path file) {
        this.file = file;
    }

    @Override
    public void accept(ProgressMessage message) {
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            if (last == null || last.stage() != message.stage() || message.step() <= last.step()) {
                takeBack(message);
            }
            Files.writeString(
                    file,
                    Json.MAPPER.writeValueAsString(message) + "\n",
                    StandardCharsets.UTF_8,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
            last = message;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Drops what the stage said of this step and later ones, and the beginning of a line that was never ended. */
    private void takeBack(ProgressMessage message) throws IOException {
        if (!Files.isRegularFile(file)) {
            return;
        }
        List<String> kept = Files.readAllLines(file).stream()
                .filter(line -> before(line, message))
                .toList();
        WholeFile.write(file, temporary -> Files.write(temporary, kept));
    }

    private static boolean before(String line, ProgressMessage message) {
        try {
            ProgressMessage earlier = Json.MAPPER.readValue(line, ProgressMessage.class);
            return earlier.stage() != message.stage() || earlier.step() < message.step();
        } catch (JsonProcessingException e) {
            return false;
        }
    }
}
