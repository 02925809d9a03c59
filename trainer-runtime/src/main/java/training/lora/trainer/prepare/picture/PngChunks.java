package training.lora.trainer.prepare.picture;

import java.io.IOException;

/** The chunks of a PNG: big-endian length, type, data and checksum, after a signature of 8 bytes. */
final class PngChunks {
    private static final int MAX_CHUNKS = 1_000_000;

    private PngChunks() {}

    /** Where the data of the first chunk of that type begins; -1 where there is none. */
    static long find(FileBytes bytes, String type) throws IOException {
        long at = 8;
        for (int i = 0; i < MAX_CHUNKS && at < bytes.size(); i++) {
            long length = bytes.number(at, 4, false);
            if (length < 0 || bytes.hasAt(at + 4, "IEND")) {
                return -1;
            }
            if (bytes.hasAt(at + 4, type)) {
                return at + 8;
            }
            at += 12 + length;
        }
        return -1;
    }

    /** Whether more pictures follow the first (APNG). */
    static boolean isAnimated(FileBytes bytes) throws IOException {
        long control = find(bytes, "acTL");
        return control >= 0 && bytes.number(control, 4, false) > 1;
    }

    /**
     * The shade that a grey PNG without an alpha channel has for transparent, as its decoded pixels have it: 16 bits, or
     * less stretched to 8. -1 where there is none. OpenCV heeds this in colour and palette alone.
     */
    static int transparentGrey(FileBytes bytes) throws IOException {
        int bits = bytes.at(24);
        long key = find(bytes, "tRNS");
        if (bytes.at(25) != 0 || key < 0 || bits < 1 || bits > 16) {
            return -1;
        }
        int shade = (int) bytes.number(key, 2, false) & (1 << bits) - 1;
        return bits < 8 ? shade * 255 / ((1 << bits) - 1) : shade;
    }
}
