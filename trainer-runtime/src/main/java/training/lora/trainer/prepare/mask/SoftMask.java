package training.lora.trainer.prepare.mask;

import org.opencv.core.Core;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;

/** Edges that fade, on masks as large as their pictures. */
final class SoftMask {
    /** What is drawn and blurred is this long at most: it is brought to the size of latents later. */
    private static final int LONGEST = 1024;

    private SoftMask() {}

    /** The size to draw a mask of a picture at: that of the picture, or less. */
    static Size drawn(Size picture) {
        double scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
        return new Size(
                Math.max(1, Math.round(picture.width * scale)), Math.max(1, Math.round(picture.height * scale)));
    }

    /**
     * A mask as large as the picture, blurred; no place counts less than the least did.
     *
     * @param mask 8 bits and one channel, of any size; released
     * @param radius of the blur (Gauss's sigma) in pixels of the picture
     */
    static Mat finish(Mat mask, Size picture, int radius) {
        Mat drawn = scaled(mask, drawn(picture));
        if (radius > 0) {
            double least = Core.minMaxLoc(drawn).minVal;
            double sigma = radius * drawn.width() / picture.width;
            Imgproc.GaussianBlur(drawn, drawn, new Size(0, 0), sigma, sigma, Core.BORDER_REPLICATE);
            Core.max(drawn, new Scalar(least), drawn);
        }
        return scaled(drawn, picture);
    }

    private static Mat scaled(Mat mask, Size size) {
        if (mask.size().equals(size)) {
            return mask;
        }
        Mat scaled = new Mat();
        int filter = size.area() < mask.size().area() ? Imgproc.INTER_AREA : Imgproc.INTER_LINEAR;
        Imgproc.resize(mask, scaled, size, 0, 0, filter);
        mask.release();
        return scaled;
    }
}
