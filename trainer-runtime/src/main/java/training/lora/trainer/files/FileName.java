package training.lora.trainer.files;

import java.nio.file.Path;
import java.text.Normalizer;

/** Names of files as text. */
public final class FileName {
    private FileName() {}

    /**
     * The last part of {@code path}, composed (NFC), because macOS hands out the same name decomposed, and a picture may
     * meet its caption from another system.
     */
    public static String of(Path path) {
        return Normalizer.normalize(String.valueOf(path.getFileName()), Normalizer.Form.NFC);
    }
}
