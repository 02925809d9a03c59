package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Tells a whole JPEG from one that was cut off: libjpeg fills what is missing with grey and only warns, which would be
 * trained on. Walks the markers of ITU T.81, annex B, so that the end of an embedded thumbnail isn't taken for the
 * picture's.
 */
final class JpegEnd {
    private static final int PREFIX = 0xFF;
    private static final int START_OF_IMAGE = 0xD8;
    private static final int END_OF_IMAGE = 0xD9;
    private static final int TEMPORARY = 0x01;

    private JpegEnd() {}

    /** Whether {@code file} is a JPEG by its first bytes, whose end-of-image marker is missing. */
    static boolean missing(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        if (bytes.length < 3 || at(bytes, 0) != PREFIX || at(bytes, 1) != START_OF_IMAGE || at(bytes, 2) != PREFIX) {
            return false;
        }
        int i = 2;
        while (i + 1 < bytes.length) {
            int marker = at(bytes, i + 1);
            if (at(bytes, i) != PREFIX || marker == PREFIX) {
                i++;
            } else if (marker == END_OF_IMAGE) {
                return false;
            } else if (standsAlone(marker)) {
                i += 2;
            } else if (i + 3 < bytes.length) {
                i += 2 + Math.max(2, at(bytes, i + 2) << 8 | at(bytes, i + 3));
            } else {
                return true;
            }
        }
        return true;
    }

    /** A stuffed zero of the coded data, a restart marker or TEM: none is followed by a length. */
    private static boolean standsAlone(int marker) {
        return marker == 0 || marker == TEMPORARY || (marker >= 0xD0 && marker <= START_OF_IMAGE);
    }

    private static int at(byte[] bytes, int i) {
        return Byte.toUnsignedInt(bytes[i]);
    }
}
