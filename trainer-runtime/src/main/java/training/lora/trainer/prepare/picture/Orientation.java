package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.Mat;

/** How the stored rows and columns of a picture become an upright one, in the order of EXIF's values from 1 to 8. */
enum Orientation {
    UPRIGHT(null),
    MIRRORED((from, to) -> Core.flip(from, to, 1)),
    UPSIDE_DOWN((from, to) -> Core.rotate(from, to, Core.ROTATE_180)),
    UPSIDE_DOWN_MIRRORED((from, to) -> Core.flip(from, to, 0)),
    TRANSPOSED((from, to) -> Core.transpose(from, to)),
    TO_TURN_RIGHT((from, to) -> Core.rotate(from, to, Core.ROTATE_90_CLOCKWISE)),
    TRANSVERSED((from, to) -> {
        Core.transpose(from, to);
        Core.rotate(to, to, Core.ROTATE_180);
    }),
    TO_TURN_LEFT((from, to) -> Core.rotate(from, to, Core.ROTATE_90_COUNTERCLOCKWISE));

    private static final String EXIF = "Exif\0\0";
    private static final int MAX_CHUNKS = 100_000;

    private final @Nullable BiConsumer<Mat, Mat> turn;

    Orientation(@Nullable BiConsumer<Mat, Mat> turn) {
        this.turn = turn;
    }

    /** As EXIF in the file says. OpenCV turns TIFFs by itself, and them alone when it decodes without changes. */
    static Orientation of(FileBytes bytes, PictureFormat format) throws IOException {
        long exif =
                switch (format) {
                    case JPEG -> inJpeg(bytes);
                    case PNG -> inPng(bytes);
                    case WEBP -> inWebp(bytes);
                    default -> -1;
                };
        if (exif < 0) {
            return UPRIGHT;
        }
        int value = TiffFields.read(bytes, exif).get(TiffFields.ORIENTATION, 1);
        return value >= 1 && value <= values().length ? values()[value - 1] : UPRIGHT;
    }

    /** The segments before the coded data (ITU T.81, annex B); -1 where none is EXIF's. */
    private static long inJpeg(FileBytes bytes) throws IOException {
        long at = 2;
        while (bytes.at(at) == 0xFF) {
            int marker = bytes.at(at + 1);
            if (marker == 0xFF) {
                at++;
                continue;
            }
            long length = bytes.number(at + 2, 2, false);
            if (marker == 0xDA || length < 2) {
                return -1;
            }
            if (marker == 0xE1 && bytes.hasAt(at + 4, EXIF)) {
                return at + 4 + EXIF.length();
            }
            at += 2 + length;
        }
        return -1;
    }

    private static long inPng(FileBytes bytes) throws IOException {
        return PngChunks.find(bytes, "eXIf");
    }

    /** The chunks of a RIFF container: type, little-endian length, data, and a byte of padding if that is odd. */
    private static long inWebp(FileBytes bytes) throws IOException {
        long at = 12;
        for (int i = 0; i < MAX_CHUNKS && at < bytes.size(); i++) {
            long length = bytes.number(at + 4, 4, true);
            if (length < 0) {
                return -1;
            }
            if (bytes.hasAt(at, "EXIF")) {
                // Some programs copy JPEG's signature along.
                return bytes.hasAt(at + 8, EXIF) ? at + 8 + EXIF.length() : at + 8;
            }
            at += 8 + length + (length & 1);
        }
        return -1;
    }

    /** Whether stored rows are columns of the upright picture. */
    boolean swapsSides() {
        return ordinal() >= TRANSPOSED.ordinal();
    }

    /** The upright picture; {@code picture} is released where that is another. */
    Mat apply(Mat picture) {
        if (turn == null) {
            return picture;
        }
        Mat turned = new Mat();
        turn.accept(picture, turned);
        picture.release();
        return turned;
    }
}
