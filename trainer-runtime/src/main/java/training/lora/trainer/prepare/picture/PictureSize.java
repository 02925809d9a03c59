package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A picture's size as its file's header says, before anything is allocated for it. */
record PictureSize(long width, long height) {
    private static final Pattern NETPBM = Pattern.compile("(?s)\\s*(\\d{1,9})\\s+(\\d{1,9})\\s.*");
    private static final int TIFF_WIDTH = 256;
    private static final int TIFF_HEIGHT = 257;

    long pixels() {
        return width * height;
    }

    PictureSize turned(boolean swapsSides) {
        return swapsSides ? new PictureSize(height, width) : this;
    }

    /** As stored, not turned by EXIF; null where the header says nothing, which the decoder then tells. */
    static @Nullable PictureSize of(FileBytes bytes, PictureFormat format) throws IOException {
        return switch (format) {
            case PNG -> of(bytes, 16, 4, false);
            case JPEG -> ofJpeg(bytes);
            case WEBP, ANIMATED_WEBP -> ofWebp(bytes);
            case BMP -> bytes.number(14, 4, true) == 12 ? of(bytes, 18, 2, true) : of(bytes, 18, 4, true);
            case TIFF -> {
                TiffFields fields = TiffFields.read(bytes, 0);
                yield new PictureSize(fields.get(TIFF_WIDTH, 0), fields.get(TIFF_HEIGHT, 0));
            }
            case JPEG_2000 -> ofJpeg2000(bytes);
            case NETPBM -> ofNetpbm(bytes);
            case GIF -> new PictureSize(bytes.number(6, 2, true), bytes.number(8, 2, true));
            case SUN_RASTER -> of(bytes, 4, 4, false);
            default -> null;
        };
    }

    private static PictureSize of(FileBytes bytes, long at, int length, boolean littleEndian) throws IOException {
        long width = bytes.number(at, length, littleEndian);
        // A BMP whose rows go down has a negative height.
        long height = length == 4
                ? (int) bytes.number(at + length, length, littleEndian)
                : bytes.number(at + length, 2, true);
        return new PictureSize(width, Math.abs(height));
    }

    private static @Nullable PictureSize ofJpeg(FileBytes bytes) throws IOException {
        long frame = jpegFrame(bytes);
        return frame < 0 ? null : new PictureSize(bytes.number(frame + 7, 2, false), bytes.number(frame + 5, 2, false));
    }

    /** How many components a JPEG has: 1 of grey, 3 of colours, 4 of inks; 0 where it doesn't say. */
    static int jpegComponents(FileBytes bytes) throws IOException {
        long frame = jpegFrame(bytes);
        return frame < 0 ? 0 : bytes.at(frame + 9);
    }

    /** Where the first frame's header is (ITU T.81, annex B.2.2); -1 where there is none. */
    private static long jpegFrame(FileBytes bytes) throws IOException {
        long at = 2;
        while (bytes.at(at) == 0xFF) {
            int marker = bytes.at(at + 1);
            if (marker == 0xFF) {
                at++;
                continue;
            }
            boolean frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
            if (frame) {
                return at;
            }
            long length = bytes.number(at + 2, 2, false);
            if (marker == 0xDA || length < 2) {
                return -1;
            }
            at += 2 + length;
        }
        return -1;
    }

    private static @Nullable PictureSize ofWebp(FileBytes bytes) throws IOException {
        if (bytes.hasAt(12, "VP8X")) {
            return new PictureSize(bytes.number(24, 3, true) + 1, bytes.number(27, 3, true) + 1);
        }
        if (bytes.hasAt(12, "VP8L")) {
            long bits = bytes.number(21, 4, true);
            return new PictureSize((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
        }
        return bytes.hasAt(12, "VP8 ")
                ? new PictureSize(bytes.number(26, 2, true) & 0x3FFF, bytes.number(28, 2, true) & 0x3FFF)
                : null;
    }

    /** The SIZ marker follows the codestream's start (ITU T.800, annex A.5.1). */
    private static @Nullable PictureSize ofJpeg2000(FileBytes bytes) throws IOException {
        for (long at = 0; at < Math.min(bytes.size(), 1 << 16); at++) {
            if (bytes.hasAt(at, "\u00ff\u004f\u00ff\u0051")) {
                return new PictureSize(
                        bytes.number(at + 8, 4, false) - bytes.number(at + 16, 4, false),
                        bytes.number(at + 12, 4, false) - bytes.number(at + 20, 4, false));
            }
        }
        return null;
    }

    private static @Nullable PictureSize ofNetpbm(FileBytes bytes) throws IOException {
        Matcher numbers = NETPBM.matcher(bytes.text(2, 512).replaceAll("#[^\\n]*", " "));
        return numbers.matches()
                ? new PictureSize(Long.parseLong(numbers.group(1)), Long.parseLong(numbers.group(2)))
                : null;
    }
}
