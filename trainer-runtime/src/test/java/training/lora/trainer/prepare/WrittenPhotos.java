package training.lora.trainer.prepare;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;
import nu.pattern.OpenCV;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.trainer.prepare.picture.Photo;

/** Pictures as cameras and programs write them, byte by byte. */
abstract class WrittenPhotos {
    static final int GREY = 130;

    @TempDir
    Path folder;

    @BeforeAll
    static void natives() {
        OpenCV.loadLocally();
    }

    static byte[] encoded(String form, Mat picture, int... settings) {
        MatOfByte bytes = new MatOfByte();
        Imgcodecs.imencode(form, picture, bytes, new MatOfInt(settings));
        return bytes.toArray();
    }

    Photo photo(byte[] bytes) throws IOException {
        return Objects.requireNonNull(Photo.decode(Files.write(folder.resolve("picture"), bytes)));
    }

    static int[] at(Mat picture, int row, int column) {
        return Arrays.stream(picture.get(row, column)).mapToInt(v -> (int) v).toArray();
    }

    static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    static byte[] chunk(String type, byte[] data) {
        byte[] body = join(type.getBytes(StandardCharsets.US_ASCII), data);
        CRC32 sum = new CRC32();
        sum.update(body);
        return ByteBuffer.allocate(body.length + 8)
                .putInt(data.length)
                .put(body)
                .putInt((int) sum.getValue())
                .array();
    }

    /** A PNG of one row, with or without a colour key, as no encoder here writes it. */
    static byte[] png(int bits, int type, byte[] row, byte @Nullable [] palette, byte[] key, int width)
            throws IOException {
        byte[] header = ByteBuffer.allocate(13)
                .putInt(width)
                .putInt(1)
                .put((byte) bits)
                .put((byte) type)
                .array();
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (DeflaterOutputStream out = new DeflaterOutputStream(packed)) {
            out.write(0);
            out.write(row);
        }
        return join(
                new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'},
                chunk("IHDR", header),
                palette == null ? new byte[0] : chunk("PLTE", palette),
                chunk("tRNS", key),
                chunk("IDAT", packed.toByteArray()),
                chunk("IEND", new byte[0]));
    }

    static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    /** An uncompressed TIFF of one strip. */
    static final class Tiff {
        private static final int FIELDS = 12;

        private final Mat picture;
        private int orientation = 1;
        private int extra = 2;
        private int photometric;

        Tiff(Mat picture) {
            this.picture = picture;
            this.photometric = picture.channels() == 1 ? 1 : 2;
        }

        Tiff orientation(int value) {
            orientation = value;
            return this;
        }

        Tiff extra(int value) {
            extra = value;
            return this;
        }

        Tiff photometric(int value) {
            photometric = value;
            return this;
        }

        byte[] bytes() {
            int channels = picture.channels();
            int depth = picture.depth() == CvType.CV_16U ? 2 : 1;
            int size = (int) picture.total() * channels * depth;
            int bits = 8 + 2 + FIELDS * 12 + 4;
            int data = bits + 8;
            ByteBuffer file = ByteBuffer.allocate(data + size).order(ByteOrder.LITTLE_ENDIAN);
            file.put((byte) 'I').put((byte) 'I').putShort((short) 42).putInt(8).putShort((short) FIELDS);
            field(file, 256, 1, picture.width());
            field(file, 257, 1, picture.height());
            field(file, 258, channels, channels == 1 ? 8 * depth : bits);
            field(file, 259, 1, 1);
            field(file, 262, 1, photometric);
            field(file, 273, 1, data);
            field(file, 274, 1, orientation);
            field(file, 277, 1, channels);
            field(file, 278, 1, picture.height());
            field(file, 279, 1, size);
            field(file, 284, 1, 1);
            // A tag of no importance stands in for that of the alpha channel.
            field(file, channels == 4 ? 338 : 65000, 1, extra);
            file.putInt(0);
            for (int i = 0; i < 4; i++) {
                file.putShort((short) (8 * depth));
            }
            for (int row = 0; row < picture.height(); row++) {
                for (int column = 0; column < picture.width(); column++) {
                    double[] pixel = picture.get(row, column);
                    for (int c = 0; c < channels; c++) {
                        double value = pixel[channels > 2 && c < 3 ? 2 - c : c];
                        if (depth == 2) {
                            file.putShort((short) (int) value);
                        } else {
                            file.put((byte) (int) value);
                        }
                    }
                }
            }
            return file.array();
        }

        private static void field(ByteBuffer file, int tag, int count, int value) {
            boolean wide = tag == 273 || tag == 279;
            file.putShort((short) tag)
                    .putShort((short) (wide ? 4 : 3))
                    .putInt(count)
                    .putInt(value);
        }
    }
}
