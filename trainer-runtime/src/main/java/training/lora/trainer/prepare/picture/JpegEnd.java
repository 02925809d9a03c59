package training.lora.trainer.prepare.picture;

import java.io.IOException;

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

    /** Whether the end-of-image marker of a JPEG is missing. */
    static boolean missing(FileBytes bytes) throws IOException {
        long size = bytes.size();
        long i = 2;
        while (i + 1 < size) {
            int marker = bytes.at(i + 1);
            if (bytes.at(i) != PREFIX || marker == PREFIX) {
                i = bytes.find(PREFIX, i + 1);
            } else if (marker == END_OF_IMAGE) {
                return false;
            } else if (standsAlone(marker)) {
                i += 2;
            } else if (i + 3 < size) {
                i += 2 + Math.max(2, bytes.number(i + 2, 2, false));
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
}
