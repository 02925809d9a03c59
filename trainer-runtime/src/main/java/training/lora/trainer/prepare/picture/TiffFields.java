package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The fields of whole numbers in the first directory of a TIFF, which is also EXIF's form: the first value of each by its
 * tag (TIFF 6.0, section 2; BigTIFF has wider offsets and counts).
 */
final class TiffFields {
    static final int SUBFILE_TYPE = 254;
    static final int BITS_PER_SAMPLE = 258;
    static final int PHOTOMETRIC = 262;
    static final int ORIENTATION = 274;
    static final int SAMPLES_PER_PIXEL = 277;
    static final int EXTRA_SAMPLES = 338;
    static final int SAMPLE_FORMAT = 339;
    static final int PROFILE = 34675;
    static final int DNG_VERSION = 50706;

    private static final int CLASSIC = 42;
    private static final int BIG = 43;

    /** What a directory holds at most, so that a broken one is soon read. */
    private static final int MAX_FIELDS = 4096;

    private final Map<Integer, Integer> values = new HashMap<>();
    private final Map<Integer, Place> places = new HashMap<>();

    /** Where the bytes of a field are in the file. */
    record Place(long at, long length) {}

    private TiffFields() {}

    /** Of the TIFF that begins at {@code start}; without fields if it isn't one. */
    static TiffFields read(FileBytes bytes, long start) throws IOException {
        TiffFields fields = new TiffFields();
        boolean little = bytes.hasAt(start, "II");
        if (little || bytes.hasAt(start, "MM")) {
            long magic = bytes.number(start + 2, 2, little);
            if (magic == CLASSIC) {
                fields.directory(bytes, start, bytes.number(start + 4, 4, little), little, false);
            } else if (magic == BIG) {
                fields.directory(bytes, start, wide(bytes, start + 8, little), little, true);
            }
        }
        return fields;
    }

    /** A whole number of 8 bytes, as far as it fits in 4. */
    private static long wide(FileBytes bytes, long place, boolean little) throws IOException {
        long high = bytes.number(little ? place + 4 : place, 4, little);
        return high != 0 ? -1 : bytes.number(little ? place : place + 4, 4, little);
    }

    private void directory(FileBytes bytes, long start, long offset, boolean little, boolean big) throws IOException {
        if (offset < 0) {
            return;
        }
        long at = start + offset;
        long count = big ? wide(bytes, at, little) : bytes.number(at, 2, little);
        at += big ? 8 : 2;
        int fieldSize = big ? 20 : 12;
        for (int i = 0; i < Math.min(count, MAX_FIELDS); i++, at += fieldSize) {
            long tag = bytes.number(at, 2, little);
            int size = size(bytes.number(at + 2, 2, little));
            long number = big ? wide(bytes, at + 4, little) : bytes.number(at + 4, 4, little);
            if (tag < 0 || size == 0 || number < 1) {
                continue;
            }
            long value = at + (big ? 12 : 8);
            if (number * size > (big ? 8 : 4)) {
                long elsewhere = big ? wide(bytes, value, little) : bytes.number(value, 4, little);
                value = elsewhere < 0 ? -1 : start + elsewhere;
            }
            places.putIfAbsent((int) tag, new Place(value, number * size));
            long first = bytes.number(value, size, little);
            if (first >= 0 && first <= Integer.MAX_VALUE) {
                values.putIfAbsent((int) tag, (int) first);
            }
        }
    }

    /** Bytes of a value of type BYTE, UNDEFINED, SHORT or LONG; 0 for the others. */
    private static int size(long type) {
        if (type == 1 || type == 7) {
            return 1;
        }
        return type == 3 ? 2 : type == 4 ? 4 : 0;
    }

    boolean has(int tag) {
        return values.containsKey(tag);
    }

    /** Where the bytes of {@code tag} are; null where it isn't there. */
    @Nullable Place place(int tag) {
        return places.get(tag);
    }

    /** The first value under {@code tag}. */
    int get(int tag, int otherwise) {
        return values.getOrDefault(tag, otherwise);
    }
}
