package training.lora.trainer.files;

import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Locale;

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

    /** What follows the last dot of its last part, in lower case; empty where that has none but at its beginning. */
    public static String extension(Path path) {
        String name = of(path);
        int dot = name.lastIndexOf('.');
        return dot < 1 ? "" : name.substring(dot + 1).toLowerCase(Locale.ROOT);
    }

    /** Its last part without the extension. */
    public static String stem(Path path) {
        String name = of(path);
        int dot = name.lastIndexOf('.');
        return dot < 1 ? name : name.substring(0, dot);
    }
}
