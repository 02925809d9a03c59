package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvException;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.OpenCvLibrary;

/**
 * A decoded picture file, upright by its EXIF orientation. All that is made of a picture, a mask or an alpha channel comes
 * from here.
 *
 * @param colour 8-bit BGR, transparent parts on white
 * @param alpha how opaque it is, 8 bits; null where nothing in the file says so
 */
public record Photo(Mat colour, @Nullable Mat alpha) implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Photo.class);

    static {
        OpenCvLibrary.load();
    }

    /** Decodes, or gives null if that can't be done. */
    public static @Nullable Photo decode(Path file) throws IOException {
        try (FileBytes bytes = FileBytes.open(file)) {
            PictureFormat format = PictureFormat.of(bytes);
            if (format == null || !format.readable() || (format == PictureFormat.JPEG && JpegEnd.missing(bytes))) {
                return null;
            }
            Mat raw = pixels(bytes);
            if (raw.empty() || (raw.depth() != CvType.CV_8U && raw.depth() != CvType.CV_16U)) {
                raw.release();
                return null;
            }
            try {
                Transparency transparency = Transparency.of(bytes, format);
                return of(Orientation.of(bytes, format).apply(raw), transparency);
            } catch (IOException | RuntimeException e) {
                raw.release();
                throw e;
            }
        } catch (CvException e) {
            // OpenCV refuses a picture of 2^30 pixels and more this way.
            LOG.debug("{} can't be decoded", file, e);
            return null;
        }
    }

    /** From bytes, because OpenCV opens no file with an emoji in its name. */
    private static Mat pixels(FileBytes bytes) throws IOException {
        Mat encoded = bytes.toMat();
        try {
            return Imgcodecs.imdecode(encoded, Imgcodecs.IMREAD_UNCHANGED);
        } finally {
            encoded.release();
        }
    }

    /** @param raw 1, 3 or 4 channels of 8 or 16 bits; released */
    private static Photo of(Mat raw, Transparency transparency) {
        if (transparency.inverted() && raw.depth() == CvType.CV_16U) {
            Core.bitwise_not(raw, raw);
        }
        Mat alpha = transparency.alpha(raw);
        Mat eight = raw;
        if (raw.depth() == CvType.CV_16U) {
            eight = new Mat();
            raw.convertTo(eight, CvType.CV_8U, 1 / 257.0);
            raw.release();
        }
        Mat colour = eight;
        if (eight.channels() != 3) {
            colour = new Mat();
            int code = eight.channels() == 1 ? Imgproc.COLOR_GRAY2BGR : Imgproc.COLOR_BGRA2BGR;
            Imgproc.cvtColor(eight, colour, code);
            eight.release();
        }
        if (alpha != null) {
            putOnWhite(colour, alpha, transparency.premultiplied());
        }
        return new Photo(colour, alpha);
    }

    private static void putOnWhite(Mat colour, Mat alpha, boolean premultiplied) {
        Mat white = new Mat();
        Core.bitwise_not(alpha, white);
        for (int i = 0; i < colour.channels(); i++) {
            Mat plane = new Mat();
            Core.extractChannel(colour, plane, i);
            if (!premultiplied) {
                Core.multiply(plane, alpha, plane, 1 / 255.0);
            }
            Core.add(plane, white, plane);
            Core.insertChannel(plane, colour, i);
            plane.release();
        }
        white.release();
    }

    /** In pixels. */
    public int width() {
        return colour.width();
    }

    /** In pixels. */
    public int height() {
        return colour.height();
    }

    /** In shades of grey, 8 bits, transparent parts black: what is nowhere painted selects nothing. */
    public Mat mask() {
        Mat grey = new Mat();
        Imgproc.cvtColor(colour, grey, Imgproc.COLOR_BGR2GRAY);
        if (alpha != null) {
            Mat white = new Mat();
            Core.bitwise_not(alpha, white);
            Core.subtract(grey, white, grey);
            white.release();
        }
        return grey;
    }

    @Override
    public void close() {
        colour.release();
        if (alpha != null) {
            alpha.release();
        }
    }
}
