package training.lora.trainer.prepare;

import java.util.ArrayList;
import java.util.List;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;

/**
 * How a picture looks from afar: the mean brightness of 16 x 16 parts and the mean colour of 4 x 4. What compressing or
 * scaling changes is spread thinly over all parts, and what tells one picture from another stands in a few of them, so
 * that it is the part that differs most which counts.
 */
record Look(float[] brightness, float[] colour) {
    private static final int PARTS = 16;

    /** Coarser, since JPEG stores colours at half the size, and edges between them wander. */
    private static final int COLOUR_PARTS = 4;

    /** Of 256 levels; docs/decisions/0006 has the measurements. */
    private static final float GREATEST_DIFFERENCE = 10;

    /** Of a picture, 8-bit BGR. */
    static Look of(Mat picture) {
        Mat parts = new Mat();
        Imgproc.resize(picture, parts, new Size(PARTS, PARTS), 0, 0, Imgproc.INTER_AREA);
        parts.convertTo(parts, CvType.CV_32F);
        Imgproc.cvtColor(parts, parts, Imgproc.COLOR_BGR2YCrCb);
        List<Mat> planes = new ArrayList<>();
        Core.split(parts, planes);
        float[] brightness = values(planes.get(0));
        float[] colour = new float[2 * COLOUR_PARTS * COLOUR_PARTS];
        for (int i = 0; i < 2; i++) {
            Mat plane = planes.get(i + 1);
            Imgproc.resize(plane, plane, new Size(COLOUR_PARTS, COLOUR_PARTS), 0, 0, Imgproc.INTER_AREA);
            System.arraycopy(values(plane), 0, colour, i * colour.length / 2, colour.length / 2);
        }
        planes.forEach(Mat::release);
        parts.release();
        return new Look(brightness, colour);
    }

    private static float[] values(Mat plane) {
        float[] values = new float[(int) plane.total()];
        plane.get(0, 0, values);
        return values;
    }

    /** Whether one may be the other, compressed, scaled or mirrored. */
    boolean isLike(Look other) {
        return isNear(other) || isNear(other.mirrored());
    }

    private boolean isNear(Look other) {
        return near(brightness, other.brightness) && near(colour, other.colour);
    }

    /** Of the picture with left and right changed. */
    private Look mirrored() {
        return new Look(mirrored(brightness, PARTS), mirrored(colour, COLOUR_PARTS));
    }

    private static float[] mirrored(float[] parts, int width) {
        float[] mirrored = new float[parts.length];
        for (int i = 0; i < parts.length; i++) {
            int column = i % width;
            mirrored[i] = parts[i - column + width - 1 - column];
        }
        return mirrored;
    }

    private static boolean near(float[] a, float[] b) {
        for (int i = 0; i < a.length; i++) {
            if (Math.abs(a[i] - b[i]) > GREATEST_DIFFERENCE) {
                return false;
            }
        }
        return true;
    }
}
