package training.lora.trainer.prepare.report;

import java.util.Arrays;
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
 */
public record PictureMeasures(double sharpness, double brightness, double dark, double bright, String hash) {
    /** The longer side of what is measured; smaller pictures are measured as they are. */
    public static final int SIDE = 512;

    private static final int HASH_SIDE = 32;
    private static final int FREQUENCIES = 8;
    private static final double BLACK = 5;
    private static final double WHITE = 250;

    /** Of a picture, 8-bit BGR. */
    public static PictureMeasures of(Mat picture) {
        Mat grey = scaled(picture);
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
                hash(grey));
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

    /** In how many of 64 bits the hashes of two pictures differ. */
    public int distance(PictureMeasures other) {
        return Long.bitCount(Long.parseUnsignedLong(hash, 16) ^ Long.parseUnsignedLong(other.hash, 16));
    }
}
