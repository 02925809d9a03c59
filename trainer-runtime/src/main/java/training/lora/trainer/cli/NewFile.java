package training.lora.trainer.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Folders;

/** Files that a command writes and must not overwrite. */
final class NewFile {
    private NewFile() {}

    /**
     * Refuses {@code out} if it is there or can't be written.
     *
     * @throws TrainerException InvalidConfiguration
     */
    static void require(Path out) {
        if (Files.exists(out)) {
            throw new TrainerException(Reason.InvalidConfiguration, "--out must not exist yet, but there is a " + out);
        }
        Folders.requireWritable("--out", out.toAbsolutePath().resolveSibling(""));
    }
}
