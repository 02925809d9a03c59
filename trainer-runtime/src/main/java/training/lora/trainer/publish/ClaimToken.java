package training.lora.trainer.publish;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.run.Workspace;

/**
 * Tells the places that a workspace's processes have taken from those that others of the same owner took: a random word, which
 * stays in the workspace.
 */
record ClaimToken(Path file) {
    static ClaimToken of(Workspace workspace) {
        return new ClaimToken(workspace.root().resolve(".claim"));
    }

    /** The word, which is made where there is none. */
    String value() throws IOException {
        if (!Files.exists(file)) {
            Files.createDirectories(file.toAbsolutePath().getParent());
            WholeFile.write(
                    file,
                    temporary -> Files.writeString(temporary, UUID.randomUUID().toString()));
        }
        return Files.readString(file);
    }
}
