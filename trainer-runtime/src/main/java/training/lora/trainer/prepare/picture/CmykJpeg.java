package training.lora.trainer.prepare.picture;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.imgcodecs.Imgcodecs;

/**
 * The inks of a JPEG of CMYK or YCCK. OpenCV gives blue, green and red alone, each {@code k - ((255 - c) * k >> 8)} of the
 * stored ink and black, of which four can't be told. So it is decoded three times: as it is, with black at its middle and with
 * colours at their middle, for which their quantisation is a table of zeros. Each of the latter says an ink to one of two levels,
 * and the first which of them.
 */
final class CmykJpeg {
    private static final int PREFIX = 0xFF;
    private static final int SCAN = 0xDA;
    private static final int QUANTISATION = 0xDB;
    private static final int END = 0xD9;
    private static final int ADOBE = 0xEE;
    private static final int SLOTS = 4;
    private static final int MIDDLE = 128;

    /** Where the first component of a frame names its table. */
    private static final int COMPONENTS = 12;

    private CmykJpeg() {}

    /**
     * Decodes.
     *
     * @param file a whole JPEG of four components
     * @return inks of cyan, magenta, yellow and black, 8 bits, 255 where all of it is printed, as large as it is stored; empty
     *     where that can't be done
     */
    static Mat inks(byte[] file) {
        Mat whole = decoded(new MatOfByte(file));
        if (whole.empty()) {
            return whole;
        }
        Mat colours = decoded(flattened(file, true));
        Mat black = decoded(flattened(file, false));
        try {
            boolean same = whole.size().equals(colours.size()) && whole.size().equals(black.size());
            return same ? inks(whole, colours, black, isYcck(file)) : new Mat();
        } finally {
            whole.release();
            colours.release();
            black.release();
        }
    }

    /** By Adobe's segment, without which inks are meant. */
    private static boolean isYcck(byte[] file) {
        int at = 2;
        while (at + 16 <= file.length && (file[at] & 0xff) == PREFIX && (file[at + 1] & 0xff) != SCAN) {
            boolean adobe = (file[at + 1] & 0xff) == ADOBE && file[at + 4] == 'A' && file[at + 5] == 'd';
            if (adobe) {
                return file[at + 15] == 2;
            }
            at += 2 + ((file[at + 2] & 0xff) << 8 | file[at + 3] & 0xff);
        }
        return false;
    }

    private static Mat inks(Mat whole, Mat colours, Mat black, boolean ycck) {
        int width = whole.width();
        byte[][] rows = new byte[3][3 * width];
        byte[] out = new byte[4 * width];
        int[][] blacks = blacks(ycck ? MIDDLE - 1 : MIDDLE);
        Mat inks = new Mat(whole.height(), width, CvType.CV_8UC4);
        for (int y = 0; y < whole.height(); y++) {
            whole.get(y, 0, rows[0]);
            colours.get(y, 0, rows[1]);
            black.get(y, 0, rows[2]);
            for (int x = 0; x < width; x++) {
                pixel(rows, 3 * x, blacks[rows[2][3 * x] & 0xff], out, 4 * x);
            }
            inks.put(y, 0, out);
        }
        return inks;
    }

    /** Which levels of black give each level where colours are at their middle, which in YCCK is one level off. */
    private static int[][] blacks(int middle) {
        int[][] of = new int[256][];
        Arrays.fill(of, new int[0]);
        for (int k = 0; k < 256; k++) {
            of[level(middle, k)] = with(of[level(middle, k)], k);
        }
        // What no black gives is rounding.
        for (int level = 1; level < 256; level++) {
            of[level] = of[level].length == 0 ? of[level - 1] : of[level];
        }
        return of;
    }

    private static int[] with(int[] levels, int more) {
        int[] all = Arrays.copyOf(levels, levels.length + 1);
        all[levels.length] = more;
        return all;
    }

    /** As OpenCV has it. */
    private static int level(int colour, int black) {
        return black - ((255 - colour) * black >> 8);
    }

    private static void pixel(byte[][] rows, int at, int[] blacks, byte[] out, int to) {
        for (int k : blacks) {
            int fitting = 0;
            for (int c = 0; c < 3; c++) {
                // Red is made of cyan, which comes first.
                int half = MIDDLE - (rows[1][at + 2 - c] & 0xff);
                int seen = rows[0][at + 2 - c] & 0xff;
                boolean low = level(255 - 2 * half, k) == seen;
                boolean high = level(254 - 2 * half, k) == seen;
                int ink = low && high ? (int) Math.round(half * 255 / 127.0) : 2 * half + (high ? 1 : 0);
                out[to + c] = (byte) Math.min(255, Math.max(0, ink));
                fitting += low || high ? 1 : 0;
            }
            out[to + 3] = (byte) (255 - k);
            if (fitting == 3) {
                return;
            }
        }
    }

    private static Mat decoded(MatOfByte encoded) {
        try {
            return Imgcodecs.imdecode(encoded, Imgcodecs.IMREAD_COLOR | Imgcodecs.IMREAD_IGNORE_ORIENTATION);
        } finally {
            encoded.release();
        }
    }

    /** A file in the making, which is handed on without another copy. */
    private static final class Bytes extends ByteArrayOutputStream {
        Bytes(int size) {
            super(size);
        }

        MatOfByte toMat() {
            MatOfByte mat = new MatOfByte();
            mat.fromArray(0, count, buf);
            return mat;
        }
    }

    /** With black, or the three others, quantised by zeros, so that all of it is at its middle. */
    private static MatOfByte flattened(byte[] file, boolean black) {
        Bytes out = new Bytes(file.length + 512);
        out.write(file, 0, 2);
        int slot = 0;
        int at = 2;
        while (at + 4 <= file.length && (file[at] & 0xff) == PREFIX) {
            int marker = file[at + 1] & 0xff;
            if (marker == PREFIX) {
                at++;
                continue;
            }
            if (marker == END) {
                break;
            }
            int length = 2 + ((file[at + 2] & 0xff) << 8 | file[at + 3] & 0xff);
            byte[] segment = Arrays.copyOfRange(file, at, Math.min(file.length, at + length));
            boolean frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
            if (frame && segment.length > COMPONENTS + 3 * 3) {
                slot = slot(segment, black);
                for (int c = black ? 3 : 0; c < (black ? 4 : 3); c++) {
                    segment[COMPONENTS + 3 * c] = (byte) slot;
                }
            }
            if (marker == SCAN) {
                zeros(slot, out);
            }
            out.writeBytes(segment);
            at += length;
            if (marker == SCAN) {
                int end = behindData(file, at);
                out.write(file, at, end - at);
                at = end;
            }
        }
        out.write(file, Math.min(at, file.length), Math.max(0, file.length - at));
        return out.toMat();
    }

    /** A place for the table that no component needs, or the one that is to be flattened needs alone. */
    private static int slot(byte[] frame, boolean black) {
        boolean[] used = new boolean[SLOTS];
        for (int c = 0; c < 4; c++) {
            used[frame[COMPONENTS + 3 * c] & 3] = true;
        }
        for (int i = 0; i < SLOTS; i++) {
            if (!used[i]) {
                return i;
            }
        }
        return frame[COMPONENTS + 3 * (black ? 3 : 0)] & 3;
    }

    private static void zeros(int slot, ByteArrayOutputStream out) {
        byte[] table = new byte[4 + 1 + 64];
        table[0] = (byte) PREFIX;
        table[1] = (byte) QUANTISATION;
        table[3] = (byte) (table.length - 2);
        table[4] = (byte) slot;
        out.writeBytes(table);
    }

    /** Of a scan: stuffed zeros and restart markers belong to it. */
    private static int behindData(byte[] file, int from) {
        int at = from;
        while (at + 1 < file.length) {
            int next = file[at + 1] & 0xff;
            if ((file[at] & 0xff) == PREFIX && next != 0 && (next < 0xD0 || next > 0xD7)) {
                return at;
            }
            at++;
        }
        return file.length;
    }
}
