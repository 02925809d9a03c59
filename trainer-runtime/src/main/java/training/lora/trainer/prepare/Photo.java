package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import nu.pattern.OpenCV;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvException;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A picture file, decoded to 8-bit BGR: upright by its EXIF orientation, transparent parts on white. */
final class Photo {
    private static final Logger LOG = LoggerFactory.getLogger(Photo.class);

    static {
        OpenCV.loadLocally();
    }

    private Photo() {}

    /** Decodes, or gives null if that can't be done. */
    static @Nullable Mat decode(Path file) throws IOException {
        try {
            return JpegEnd.missing(file) ? null : pixels(file);
        } catch (CvException e) {
            // OpenCV refuses a picture of 2^30 pixels and more this way.
            LOG.debug("{} can't be decoded", file, e);
            return null;
        }
    }

    private static @Nullable Mat pixels(Path file) {
        Mat raw = Imgcodecs.imread(file.toString(), Imgcodecs.IMREAD_UNCHANGED);
        if (raw.empty()) {
            return null;
        }
        if (raw.channels() != 4 && raw.channels() != 2) {
            // IMREAD_COLOR heeds the orientation, which IMREAD_UNCHANGED does not.
            raw.release();
            Mat colour = Imgcodecs.imread(file.toString(), Imgcodecs.IMREAD_COLOR);
            return colour.empty() ? null : colour;
        }
        Mat eight = new Mat();
        raw.convertTo(eight, CvType.CV_8U, raw.depth() == CvType.CV_16U ? 1 / 257.0 : 1);
        raw.release();
        return onWhite(eight);
    }

    /** How opaque a picture file is, 8 bits a pixel; null where it has no alpha channel. */
    static @Nullable Mat alpha(Path file) {
        Mat raw = Imgcodecs.imread(file.toString(), Imgcodecs.IMREAD_UNCHANGED);
        if (raw.channels() != 4 && raw.channels() != 2) {
            raw.release();
            return null;
        }
        Mat alpha = new Mat();
        Core.extractChannel(raw, alpha, raw.channels() - 1);
        alpha.convertTo(alpha, CvType.CV_8U, raw.depth() == CvType.CV_16U ? 1 / 257.0 : 1);
        raw.release();
        return alpha;
    }

    /** A picture file in shades of grey, 8 bits a pixel, or null if it can't be decoded. */
    static @Nullable Mat grey(Path file) {
        Mat grey = Imgcodecs.imread(file.toString(), Imgcodecs.IMREAD_GRAYSCALE);
        return grey.empty() ? null : grey;
    }

    private static Mat onWhite(Mat withAlpha) {
        List<Mat> planes = new ArrayList<>();
        Core.split(withAlpha, planes);
        Mat alpha = new Mat();
        planes.get(planes.size() - 1).convertTo(alpha, CvType.CV_32F, 1 / 255.0);
        List<Mat> colours = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Mat plane = new Mat();
            planes.get(planes.size() == 2 ? 0 : i).convertTo(plane, CvType.CV_32F, 1, -255);
            Core.multiply(plane, alpha, plane);
            plane.convertTo(plane, CvType.CV_8U, 1, 255);
            colours.add(plane);
        }
        Mat result = new Mat();
        Core.merge(colours, result);
        planes.forEach(Mat::release);
        colours.forEach(Mat::release);
        alpha.release();
        withAlpha.release();
        return result;
    }

    /**
     * A part of a scaled picture.
     *
     * @param top its first row in the scaled picture
     * @param left its first column
     */
    record Crop(Mat picture, int top, int left) {}

    /** Scales to cover a square of {@code side} pixels and cuts out its centre. */
    static Crop centreCrop(Mat picture, int side) {
        double scale = (double) side / Math.min(picture.width(), picture.height());
        Mat scaled = picture;
        if (picture.width() != side || picture.height() != side) {
            scaled = new Mat();
            Size size = new Size(
                    Math.max(side, Math.round(picture.width() * scale)),
                    Math.max(side, Math.round(picture.height() * scale)));
            int filter = scale < 1 ? Imgproc.INTER_AREA : Imgproc.INTER_LANCZOS4;
            Imgproc.resize(picture, scaled, size, 0, 0, filter);
        }
        Rect centre = new Rect((scaled.width() - side) / 2, (scaled.height() - side) / 2, side, side);
        Mat cropped = scaled.submat(centre).clone();
        if (scaled != picture) {
            scaled.release();
        }
        return new Crop(cropped, centre.y, centre.x);
    }
}
