package training.lora.trainer.prepare.place;

import org.opencv.core.Core;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.imgproc.Imgproc;
import org.opencv.imgproc.Moments;

/**
 * Where a mask shows something, as shares of the picture's sides.
 *
 * @param across from left to right
 * @param down from top to bottom
 */
record Salience(Axis across, Axis down) {
    /** What is nowhere masked counts a little, so that a mask of nothing has its middle (Eden's trainer). */
    private static final double FLOOR = 0.01 * 255;

    /** Of a picture without a mask. */
    static final Salience MIDDLE = new Salience(new Axis(0.5, 0, 1), new Axis(0.5, 0, 1));

    /**
     * One side, from 0 to 1.
     *
     * @param centre of mass
     * @param from where what is shown begins
     * @param to where it ends
     */
    record Axis(double centre, double from, double to) {
        /**
         * Where a part of {@code length} pixels begins in a side of {@code whole}: around the centre of mass, within the side,
         * and with all that is shown where it is no longer than the part.
         */
        int begin(int whole, int length) {
            int most = whole - length;
            if (centre == 0.5 && from == 0 && to == 1) {
                return most / 2;
            }
            int begin = (int) Math.round(centre * whole - length / 2.0);
            int first = (int) Math.floor(from * whole);
            int end = (int) Math.ceil(to * whole);
            if (end - first <= length) {
                begin = Math.max(end - length, Math.min(begin, first));
            }
            return Math.max(0, Math.min(most, begin));
        }
    }

    /** What {@code mask}, 8 bits, shows: all that is at least half as bright as its brightest place. */
    static Salience of(Mat mask) {
        Moments moments = Imgproc.moments(mask);
        double width = mask.width();
        double height = mask.height();
        double mass = moments.m00 + FLOOR * width * height;
        double brightest = Core.minMaxLoc(mask).maxVal;
        Rect shown = new Rect(0, 0, mask.width(), mask.height());
        if (brightest > 0) {
            Mat bright = new Mat();
            Core.inRange(mask, new Scalar(Math.ceil(brightest / 2)), new Scalar(255), bright);
            shown = Imgproc.boundingRect(bright);
            bright.release();
        }
        return new Salience(
                new Axis(
                        centre(moments.m10, width, width * height, mass),
                        shown.x / width,
                        (shown.x + shown.width) / width),
                new Axis(
                        centre(moments.m01, height, width * height, mass),
                        shown.y / height,
                        (shown.y + shown.height) / height));
    }

    /** Of the first moment along a side; a pixel's place is its middle. */
    private static double centre(double moment, double side, double area, double mass) {
        double masked = moment + 0.5 * (mass - FLOOR * area);
        return (masked + FLOOR * area * side / 2) / mass / side;
    }
}
