package training.lora.trainer.prepare.picture;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;

/**
 * The first picture of a GIF (GIF89a specification), on its whole canvas. OpenCV reads none.
 *
 * @param pixels 8 bits: BGR, or BGRA where some of the canvas is transparent
 * @param animated whether another picture follows
 */
record Gif(Mat pixels, boolean animated) {
    private static final int HEADER = 13;
    private static final int EXTENSION = 0x21;
    private static final int IMAGE = 0x2C;
    private static final int GRAPHIC_CONTROL = 0xF9;
    private static final int MOST_CODES = 4096;
    private static final int[][] PASSES = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};

    /** Null where it is damaged or cut off, or has no picture. */
    static @Nullable Gif read(FileBytes bytes) throws IOException {
        int flags = bytes.at(10);
        int colours = (flags & 0x80) == 0 ? 0 : 2 << (flags & 7);
        long at = HEADER + 3L * colours;
        int transparent = -1;
        while (true) {
            int block = bytes.at(at);
            if (block == EXTENSION) {
                if (bytes.at(at + 1) == GRAPHIC_CONTROL && (bytes.at(at + 3) & 1) != 0) {
                    transparent = bytes.at(at + 6);
                }
                at = behindBlocks(bytes, at + 2);
            } else if (block == 0) {
                // Some programs write one empty block too many.
                at++;
            } else if (block == IMAGE) {
                return image(bytes, at, colours == 0 ? -1 : HEADER, transparent);
            } else {
                return null;
            }
        }
    }

    /** @param table where the colours of all pictures are; -1 where there are none */
    private static @Nullable Gif image(FileBytes bytes, long at, long table, int transparent) throws IOException {
        int flags = bytes.at(at + 9);
        boolean own = (flags & 0x80) != 0;
        long colours = own ? at + 10 : table;
        long data = at + 10 + (own ? 3L * (2 << (flags & 7)) : 0);
        int width = (int) bytes.number(at + 5, 2, true);
        int height = (int) bytes.number(at + 7, 2, true);
        if (colours < 0 || width < 1 || height < 1) {
            return null;
        }
        PictureSize canvas = PictureSize.of(bytes, PictureFormat.GIF);
        // No more memory is asked for than the file can fill: a code of some bits stands for MOST_CODES indices at
        // most.
        long indexed = (long) width * height;
        if (canvas == null
                || indexed > canvas.pixels()
                || indexed > Integer.MAX_VALUE - 8
                || indexed / MOST_CODES > bytes.size()) {
            return null;
        }
        byte[] indices = new Codes(bytes, data + 1, bytes.at(data)).decode((int) indexed);
        if (indices == null) {
            return null;
        }
        long next = behindBlocks(bytes, data + 1);
        while (bytes.at(next) == EXTENSION) {
            next = behindBlocks(bytes, next + 2);
        }
        int[] palette = new int[256];
        for (int i = 0; i < 256; i++) {
            palette[i] = (int) Math.max(0, bytes.number(colours + 3L * i, 3, false));
        }
        int[] place = {(int) bytes.number(at + 1, 2, true), (int) bytes.number(at + 3, 2, true), width, height};
        Mat pixels = onCanvas(indices, palette, transparent, place, (flags & 0x40) != 0, canvas);
        return new Gif(pixels, bytes.at(next) == IMAGE);
    }

    /** @param place left, top, width and height of the picture on the canvas, beside which that is transparent */
    private static Mat onCanvas(
            byte[] indices, int[] palette, int transparent, int[] place, boolean interlaced, PictureSize canvas) {
        int width = (int) canvas.width();
        int height = (int) canvas.height();
        boolean covers = place[0] == 0 && place[1] == 0 && place[2] >= width && place[3] >= height;
        int channels = covers && transparent < 0 ? 3 : 4;
        Mat mat = Mat.zeros(height, width, channels == 3 ? CvType.CV_8UC3 : CvType.CV_8UC4);
        int from = 0;
        for (int y : rows(place[3], interlaced)) {
            byte[] row = new byte[channels * width];
            for (int x = 0; x < place[2]; x++) {
                int index = indices[from++] & 0xff;
                int left = place[0] + x;
                if (index == transparent || left >= width) {
                    continue;
                }
                int to = channels * left;
                row[to] = (byte) palette[index];
                row[to + 1] = (byte) (palette[index] >> 8);
                row[to + 2] = (byte) (palette[index] >> 16);
                if (channels == 4) {
                    row[to + 3] = (byte) 0xff;
                }
            }
            if (place[1] + y < height) {
                mat.put(place[1] + y, 0, row);
            }
        }
        return mat;
    }

    /** The rows in the order in which they stand in the file. */
    private static int[] rows(int height, boolean interlaced) {
        int[] rows = new int[height];
        int i = 0;
        for (int[] pass : interlaced ? PASSES : new int[][] {{0, 1}}) {
            for (int y = pass[0]; y < height; y += pass[1]) {
                rows[i++] = y;
            }
        }
        return rows;
    }

    /** Behind a row of blocks of up to 255 bytes, of which the last is empty. */
    private static long behindBlocks(FileBytes bytes, long at) throws IOException {
        long next = at;
        for (int length = bytes.at(next); length > 0; length = bytes.at(next)) {
            next += 1 + length;
        }
        return next + 1;
    }

    /** Lempel's, Ziv's and Welch's codes of 3 to 12 bits, in blocks (appendix F). */
    private static final class Codes {
        private final FileBytes bytes;
        private final int least;
        private final int[] prefix = new int[MOST_CODES];
        private final byte[] last = new byte[MOST_CODES];
        private final byte[] first = new byte[MOST_CODES];
        private final int[] length = new int[MOST_CODES];
        private long at;
        private int left;
        private int held;
        private int bits;

        Codes(FileBytes bytes, long at, int least) {
            this.bytes = bytes;
            this.at = at;
            this.least = least;
        }

        /** {@code count} indices of colours; null where there aren't as many. */
        byte @Nullable [] decode(int count) throws IOException {
            if (least < 1 || least > 11) {
                return null;
            }
            int clear = 1 << least;
            for (int i = 0; i < clear; i++) {
                last[i] = first[i] = (byte) i;
                length[i] = 1;
            }
            byte[] all = new byte[count];
            int done = 0;
            int next = clear + 2;
            int size = least + 1;
            int before = -1;
            while (done < count) {
                int code = code(size);
                if (code == clear) {
                    next = clear + 2;
                    size = least + 1;
                    before = -1;
                    continue;
                }
                boolean known = code >= 0 && code < next && code != clear + 1;
                if (!known && (code != next || before < 0)) {
                    return null;
                }
                if (before >= 0 && next < MOST_CODES) {
                    prefix[next] = before;
                    first[next] = first[before];
                    last[next] = first[known ? code : before];
                    length[next] = length[before] + 1;
                    next++;
                    if (next == 1 << size && size < 12) {
                        size++;
                    }
                }
                done += put(code, all, done);
                before = code;
            }
            return all;
        }

        /** The indices that {@code code} stands for, from its end. */
        private int put(int code, byte[] all, int place) {
            int count = length[code];
            int c = code;
            for (int i = place + count - 1; i >= place; i--) {
                if (i < all.length) {
                    all[i] = last[c];
                }
                c = prefix[c];
            }
            return count;
        }

        /** -1 behind the end. */
        private int code(int size) throws IOException {
            while (bits < size) {
                if (left == 0) {
                    left = bytes.at(at++);
                    if (left <= 0) {
                        return -1;
                    }
                }
                int b = bytes.at(at++);
                if (b < 0) {
                    return -1;
                }
                left--;
                held |= b << bits;
                bits += 8;
            }
            int code = held & (1 << size) - 1;
            held >>>= size;
            bits -= size;
            return code;
        }
    }
}
