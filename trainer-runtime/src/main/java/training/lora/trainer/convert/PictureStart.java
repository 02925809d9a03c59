package training.lora.trainer.convert;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * How files of common formats of pictures begin, whatever they are called: browsers save them as a.jpg_large and the like. When data
 * are prepared more formats are known by their content.
 */
final class PictureStart {
    /** Bytes that tell a format. */
    private static final int LENGTH = 18;

    /** PNG, JPEG, GIF and JPEG 2000. */
    private static final List<String> STARTS = List.of(
            "\u0089PNG\r\n\u001a\n",
            "\u00ff\u00d8\u00ff",
            "GIF87a",
            "GIF89a",
            "\0\0\0\fjP  \r\n\u0087\n",
            "\u00ff\u004f\u00ff\u0051");

    private PictureStart() {}

    /** Whether {@code file} can be read and begins so. */
    static boolean isOf(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            return isOne(new String(in.readNBytes(LENGTH), StandardCharsets.ISO_8859_1));
        } catch (IOException e) {
            // Prepare says so.
            return false;
        }
    }

    private static boolean isOne(String start) {
        boolean webp = start.startsWith("RIFF") && start.startsWith("WEBP", 8);
        // The size of its second header, which is at least 12 and at most 124.
        boolean bmp = start.startsWith("BM") && start.length() == LENGTH && start.startsWith("\0\0\0", 15);
        return webp
                || (bmp && start.charAt(14) >= 12 && start.charAt(14) <= 124)
                || STARTS.stream().anyMatch(start::startsWith);
    }
}
