package training.lora.trainer.prepare.report;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfDouble;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;

/**
 * What is measured of a whole picture, scaled to a longer side of 512 pixels.
 *
 * @param sharpness variance of the Laplacian, of 256 levels
 * @param brightness mean of the grey levels, from 0 to 1
 * @param dark share of the pixels that are black, from 0 to 1
 * @param bright share of the pixels that are white, from 0 to 1
 * @param hash signs of the 64 lowest frequencies of a discrete cosine transform against their median (pHash), 16 hex digits
 * @param colours means of the blue, green and red levels of 4 x 4 parts, row by row, 96 hex digits
 */
public record PictureMeasures(
        double sharpness, double brightness, double dark, double bright, String hash, String colours) {
    /** What an earlier release measured has no colours. */
    public PictureMeasures {
        colours = Objects.requireNonNullElse(colours, "");
    }

    /** The longer side of what is measured; smaller pictures are measured as they are. */
    public static final int SIDE = 512;

    private static final int HASH_SIDE = 32;
    private static final int FREQUENCIES = 8;
    private static final int COLOUR_SIDE = 4;

    /** Of 64 bits: a picture from its JPEG in up to 4 (docs/decisions/0006), and cats that differ in their eyes in 2. */
    private static final int ALIKE_BITS = 3;

    /** Mean difference of levels: a picture from its JPEG in up to 1, and things of one form in two colours in 20 and more. */
    private static final double ALIKE_LEVELS = 12;

    private static final double BLACK = 5;
    private static final double WHITE = 250;

    /** Of a picture, 8-bit BGR. */
    public static PictureMeasures of(Mat picture) {
        Mat grey = scaled(picture);
        String colours = colours(grey);
        Imgproc.cvtColor(grey, grey, Imgproc.COLOR_BGR2GRAY);
        Mat laplacian = new Mat();
        Imgproc.Laplacian(grey, laplacian, CvType.CV_64F);
        MatOfDouble mean = new MatOfDouble();
        MatOfDouble deviation = new MatOfDouble();
        Core.meanStdDev(laplacian, mean, deviation);
        double sharpness = Math.pow(deviation.get(0, 0)[0], 2);
        PictureMeasures measures = new PictureMeasures(
                rounded(sharpness),
                rounded(Core.mean(grey).val[0] / 255),
                rounded(share(grey, Core.CMP_LE, BLACK)),
                rounded(share(grey, Core.CMP_GE, WHITE)),
                hash(grey),
                colours);
        for (Mat mat : new Mat[] {grey, laplacian, mean, deviation}) {
            mat.release();
        }
        return measures;
    }

    /** A picture whose longer side is at most {@link #SIDE}, as it is measured; the caller's. */
    public static Mat scaled(Mat picture) {
        double scale = Math.min(1, (double) SIDE / Math.max(picture.width(), picture.height()));
        Size size = new Size(
                Math.max(1, Math.round(picture.width() * scale)), Math.max(1, Math.round(picture.height() * scale)));
        Mat scaled = new Mat();
        Imgproc.resize(picture, scaled, size, 0, 0, Imgproc.INTER_AREA);
        return scaled;
    }

    private static double rounded(double value) {
        return Math.round(value * 1000) / 1000.0;
    }

    private static double share(Mat grey, int comparison, double level) {
        Mat those = new Mat();
        Core.compare(grey, new Scalar(level), those, comparison);
        double share = (double) Core.countNonZero(those) / grey.total();
        those.release();
        return share;
    }

    private static String hash(Mat grey) {
        Mat small = new Mat();
        Imgproc.resize(grey, small, new Size(HASH_SIDE, HASH_SIDE), 0, 0, Imgproc.INTER_AREA);
        small.convertTo(small, CvType.CV_32F);
        Core.dct(small, small);
        float[] low = new float[FREQUENCIES * FREQUENCIES];
        for (int i = 0; i < low.length; i++) {
            low[i] = (float) small.get(i / FREQUENCIES, i % FREQUENCIES)[0];
        }
        small.release();
        float[] sorted = low.clone();
        Arrays.sort(sorted);
        float median = (sorted[low.length / 2 - 1] + sorted[low.length / 2]) / 2;
        long bits = 0;
        for (float value : low) {
            bits = bits << 1 | (value > median ? 1 : 0);
        }
        return "%016x".formatted(bits);
    }

    private static String colours(Mat colour) {
        Mat small = new Mat();
        Imgproc.resize(colour, small, new Size(COLOUR_SIDE, COLOUR_SIDE), 0, 0, Imgproc.INTER_AREA);
        byte[] levels = new byte[COLOUR_SIDE * COLOUR_SIDE * small.channels()];
        small.get(0, 0, levels);
        small.release();
        return HexFormat.of().formatHex(levels);
    }

    /** Whether another picture may be a copy of this one: of the same forms and colours. */
    public boolean alike(PictureMeasures other) {
        return distance(other) <= ALIKE_BITS && colourDistance(other) <= ALIKE_LEVELS;
    }

    private double colourDistance(PictureMeasures other) {
        if (colours.isEmpty() || other.colours.isEmpty()) {
            return 0;
        }
        byte[] own = HexFormat.of().parseHex(colours);
        byte[] others = HexFormat.of().parseHex(other.colours);
        double sum = 0;
        for (int i = 0; i < own.length; i++) {
            sum += Math.abs(Byte.toUnsignedInt(own[i]) - Byte.toUnsignedInt(others[i]));
        }
        return sum / own.length;
    }

    /** In how many of 64 bits the hashes of two pictures differ. */
    private int distance(PictureMeasures other) {
        return Long.bitCount(Long.parseUnsignedLong(hash, 16) ^ Long.parseUnsignedLong(other.hash, 16));
    }
}
