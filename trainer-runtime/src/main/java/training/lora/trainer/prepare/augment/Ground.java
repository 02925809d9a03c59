package training.lora.trainer.prepare.augment;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;

/** What a picture stands on that is made smaller: its own ground, which goes on beyond its edges. */
final class Ground {
    /** Blurs, as shares of the longer side: of a ground without the object, and of one that may have it. */
    private static final double BLUR = 0.03;

    private static final double MORE_BLUR = 0.1;

    /** How far the ground beside an object is spread over it, from near to far. */
    private static final double[] SPREADS = {0.02, 0.06, 0.18, 0.5};

    private static final int SPREAD_SIDE = 96;

    /** Of a mask's 256 levels: what is less has nothing of the object. */
    private static final double NOTHING = 8;

    /** The object's edge, as a share of the longer side: some of its colour is just beside what a mask shows. */
    private static final double EDGE = 0.02;

    /** So much ground must be seen that it can be told what it looks like. */
    private static final double LEAST = 0.02;

    private Ground() {}

    /**
     * A ground of a size.
     *
     * @param small the picture that will stand on it, 8-bit BGR, which stays the caller's
     * @param mask of it, 8 bits, which stays the caller's; null: it isn't known what is the object
     * @param at where it will stand
     * @param size of the ground
     * @param border how it goes on beyond the picture, as OpenCV has it
     */
    static Mat of(Mat small, @Nullable Mat mask, Rect at, Size size, int border) {
        Mat free = mask == null ? null : free(mask);
        boolean told = false;
        Mat base = small.clone();
        if (free != null && Core.countNonZero(free) >= LEAST * free.total()) {
            told = true;
            base.release();
            base = without(small, free);
        }
        Mat ground = new Mat();
        int right = (int) size.width - at.x - at.width;
        int bottom = (int) size.height - at.y - at.height;
        Core.copyMakeBorder(base, ground, at.y, bottom, at.x, right, border);
        double sigma = (told ? BLUR : MORE_BLUR) * Math.max(size.width, size.height);
        Imgproc.GaussianBlur(ground, ground, new Size(), sigma);
        base.release();
        if (free != null) {
            free.release();
        }
        return ground;
    }

    /** 255 where there is nothing of the object, nor of its edge; else 0. */
    private static Mat free(Mat mask) {
        Mat shown = new Mat();
        Imgproc.threshold(mask, shown, NOTHING, 255, Imgproc.THRESH_BINARY);
        int reach = 1 + 2 * (int) Math.ceil(EDGE * Math.max(mask.width(), mask.height()));
        Mat shape = Imgproc.getStructuringElement(Imgproc.MORPH_ELLIPSE, new Size(reach, reach));
        Imgproc.dilate(shown, shown, shape);
        Core.bitwise_not(shown, shown);
        shape.release();
        return shown;
    }

    /** The picture with what is near in place of the object: the mean of the ground around, from as near as there is some. */
    private static Mat without(Mat picture, Mat free) {
        Mat weight = new Mat();
        free.convertTo(weight, CvType.CV_32F, 1 / 255.0);
        Mat weights = new Mat();
        Core.merge(List.of(weight, weight, weight), weights);
        Mat weighted = new Mat();
        picture.convertTo(weighted, CvType.CV_32F);
        Core.multiply(weighted, weights, weighted);
        Mat filled = spread(weighted, weights, Core.mean(picture, free));
        Imgproc.resize(filled, filled, picture.size(), 0, 0, Imgproc.INTER_LINEAR);
        Mat rest = new Mat();
        weights.convertTo(rest, -1, -1, 1);
        Core.multiply(filled, rest, filled);
        Core.add(filled, weighted, filled);
        Mat eight = new Mat();
        filled.convertTo(eight, CvType.CV_8U);
        List.of(weight, weights, weighted, filled, rest).forEach(Mat::release);
        return eight;
    }

    /** The ground's colours everywhere, at a size at which wide blurs take no time. */
    private static Mat spread(Mat weighted, Mat weights, Scalar mean) {
        double scale = Math.min(1, (double) SPREAD_SIDE / Math.max(weights.width(), weights.height()));
        Size size = new Size(Math.ceil(weights.width() * scale), Math.ceil(weights.height() * scale));
        Mat few = new Mat();
        Mat fewWeights = new Mat();
        Imgproc.resize(weighted, few, size, 0, 0, Imgproc.INTER_AREA);
        Imgproc.resize(weights, fewWeights, size, 0, 0, Imgproc.INTER_AREA);
        Mat filled = new Mat(size, CvType.CV_32FC3, mean);
        // From far to near, each where it sees enough.
        for (int i = SPREADS.length - 1; i >= 0; i--) {
            blend(few, fewWeights, Math.max(0.5, SPREADS[i] * Math.max(size.width, size.height)), filled);
        }
        few.release();
        fewWeights.release();
        return filled;
    }

    /** Puts the mean of what is within {@code sigma} over {@code filled}, the more the more there is. */
    private static void blend(Mat weighted, Mat weights, double sigma, Mat filled) {
        Mat sum = new Mat();
        Mat share = new Mat();
        Imgproc.GaussianBlur(weighted, sum, new Size(), sigma);
        Imgproc.GaussianBlur(weights, share, new Size(), sigma);
        Mat safe = new Mat();
        Core.max(share, new Scalar(1e-6, 1e-6, 1e-6), safe);
        Mat near = new Mat();
        Core.divide(sum, safe, near);
        // Below a tenth it fades into what is farther.
        Core.multiply(share, new Scalar(10, 10, 10), share);
        Core.min(share, new Scalar(1, 1, 1), share);
        Core.subtract(near, filled, near);
        Core.multiply(near, share, near);
        Core.add(filled, near, filled);
        List.of(sum, share, safe, near).forEach(Mat::release);
    }
}
