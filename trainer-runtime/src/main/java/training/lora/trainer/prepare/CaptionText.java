package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.PlainText;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.files.TextFile;

/**
 * The text of a caption's file.
 *
 * @param text normalized
 * @param invisible how many invisible characters were left out; a byte order mark at the beginning doesn't count
 */
record CaptionText(String text, int invisible) {
    /** Reads UTF-8, or UTF-16 with a byte order mark. */
    static CaptionText read(Path file) throws IOException, NoTextException {
        return of(TextFile.read(file));
    }

    /** Texts that are lines of a file; those that are blank are none. */
    static List<CaptionText> ofLines(List<String> lines) {
        return lines.stream()
                .map(CaptionText::of)
                .filter(line -> !line.text().isEmpty())
                .toList();
    }

    static CaptionText of(String text) {
        return new CaptionText(PlainText.of(text), PlainText.invisible(text));
    }
}
