package training.lora.trainer.prepare.picture;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvException;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.OpenCvLibrary;

/**
 * A decoded picture file, upright by its EXIF orientation. All that is made of a picture, a mask or an alpha channel comes
 * from here.
 *
 * @param colour 8-bit BGR in sRGB, transparent parts on the background; as large as the file's, or reduced
 * @param alpha how opaque it is, 8 bits, of the same size; null where nothing in the file says so
 * @param width of the file's picture, in pixels
 * @param height of the file's picture, in pixels
 * @param animated whether it is the first of several pictures
 */
public record Photo(Mat colour, @Nullable Mat alpha, int width, int height, boolean animated) implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Photo.class);

    private static final Map<Integer, Integer> REDUCED = Map.of(
            2,
            Imgcodecs.IMREAD_REDUCED_COLOR_2,
            4,
            Imgcodecs.IMREAD_REDUCED_COLOR_4,
            8,
            Imgcodecs.IMREAD_REDUCED_COLOR_8);

    static {
        OpenCvLibrary.load();
    }

    /** Decodes as most pictures are, or gives null if that can't be done. */
    public static @Nullable Photo decode(Path file) throws IOException {
        try {
            return read(file, PictureOptions.DEFAULT);
        } catch (UnreadablePictureException e) {
            LOG.debug("{} {}", file, e.getMessage());
            return null;
        }
    }

    /**
     * Decodes all pixels.
     *
     * @throws UnreadablePictureException if that can't be done
     */
    public static Photo read(Path file, PictureOptions options) throws IOException, UnreadablePictureException {
        return read(file, options, Reduction.NONE);
    }

    /**
     * Decodes, if it is a JPEG perhaps fewer pixels.
     *
     * @throws UnreadablePictureException if that can't be done
     */
    public static Photo read(Path file, PictureOptions options, Reduction reduction)
            throws IOException, UnreadablePictureException {
        try (FileBytes bytes = FileBytes.open(file)) {
            PictureFormat format = PictureFormat.of(bytes);
            if (format == null) {
                throw new UnreadablePictureException(
                        bytes.size() == 0 ? "is empty" : "is no picture, whatever it is called");
            }
            if (!format.readable()) {
                throw new UnreadablePictureException("can't be decoded: " + format.unreadableLabel());
            }
            if (format == PictureFormat.AVIF || format == PictureFormat.HEIF) {
                Heif.Decoded decoded = Heif.decode(bytes, options);
                return of(
                        decoded.pixels(), new Transparency(true, false, -1, false), decoded.profile(), options, false);
            }
            PictureSize size = PictureSize.of(bytes, format);
            requireFewPixels(size, options);
            if (format == PictureFormat.JPEG && JpegEnd.missing(bytes)) {
                throw new UnreadablePictureException("is cut off: the end of the JPEG is missing");
            }
            Orientation orientation = Orientation.of(bytes, format);
            // Null where all pixels are decoded.
            int components = format == PictureFormat.JPEG ? PictureSize.jpegComponents(bytes) : 0;
            PictureSize upright = size != null && components == 3 ? size.turned(orientation.swapsSides()) : null;
            int by = upright == null ? 1 : reduction.by((int) upright.width(), (int) upright.height());
            byte[] icc = EmbeddedProfile.of(bytes, format);
            TableProfile inks = components == 4 && icc != null ? TableProfile.of(icc) : null;
            Gif gif = format == PictureFormat.GIF ? Gif.read(bytes) : null;
            Mat raw;
            if (inks != null && inks.channels() == 4) {
                raw = printed(bytes, inks);
                icc = null;
            } else if (format == PictureFormat.GIF) {
                raw = gif == null ? new Mat() : gif.pixels();
            } else {
                raw = format == PictureFormat.ANIMATED_WEBP ? firstFrame(bytes) : pixels(bytes, flags(by));
            }
            if (raw.empty() || (raw.depth() != CvType.CV_8U && raw.depth() != CvType.CV_16U)) {
                raw.release();
                throw new UnreadablePictureException(
                        "can't be decoded: it is damaged or cut off, or an odd kind of " + format.label());
            }
            try {
                Transparency transparency = Transparency.of(bytes, format);
                boolean animated = format == PictureFormat.ANIMATED_WEBP
                        || (format == PictureFormat.PNG && PngChunks.isAnimated(bytes))
                        || (gif != null && gif.animated());
                Photo photo = of(orientation.apply(raw), transparency, icc, options, animated);
                return upright == null
                        ? photo
                        : new Photo(
                                photo.colour(), photo.alpha(), (int) upright.width(), (int) upright.height(), animated);
            } catch (IOException | RuntimeException e) {
                raw.release();
                throw e;
            }
        } catch (CvException e) {
            // OpenCV refuses a picture of 2^30 pixels and more this way.
            LOG.debug("{} can't be decoded", file, e);
            throw new UnreadablePictureException("can't be decoded by OpenCV");
        }
    }

    /** How many pixels a picture has as its file's header says; 0 where it says nothing that is understood. */
    public static long pixels(Path file) throws IOException {
        try (FileBytes bytes = FileBytes.open(file)) {
            PictureFormat format = PictureFormat.of(bytes);
            PictureSize size = format == null ? null : PictureSize.of(bytes, format);
            return size == null ? 0 : Math.max(0, size.pixels());
        }
    }

    /** Before memory is asked for. */
    static void requireFewPixels(@Nullable PictureSize size, PictureOptions options) throws UnreadablePictureException {
        if (size != null && size.pixels() > options.maxPixels()) {
            throw new UnreadablePictureException(
                    "has %d x %d pixels, more than `spec.preparation.maxPixels` allows (%d)"
                            .formatted(size.width(), size.height(), options.maxPixels()));
        }
    }

    /** As a printer's profile says that inks look. */
    private static Mat printed(FileBytes bytes, TableProfile profile) throws IOException {
        Mat inks = CmykJpeg.inks(bytes.toArray());
        try {
            return inks.empty() ? new Mat() : profile.toSrgb(inks);
        } finally {
            inks.release();
        }
    }

    private static Mat firstFrame(FileBytes bytes) throws IOException {
        WebpAnimation frame = WebpAnimation.firstFrame(bytes);
        if (frame == null) {
            return new Mat();
        }
        MatOfByte encoded = new MatOfByte(frame.file());
        Mat decoded = Imgcodecs.imdecode(encoded, Imgcodecs.IMREAD_UNCHANGED);
        encoded.release();
        PictureSize canvas = PictureSize.of(bytes, PictureFormat.ANIMATED_WEBP);
        if (decoded.empty()
                || canvas == null
                || (decoded.width() == canvas.width() && decoded.height() == canvas.height())) {
            return decoded;
        }
        // Around a frame that is smaller the canvas is transparent.
        if (decoded.channels() == 3) {
            Imgproc.cvtColor(decoded, decoded, Imgproc.COLOR_BGR2BGRA);
        }
        Mat whole = new Mat((int) canvas.height(), (int) canvas.width(), CvType.CV_8UC4, new Scalar(0, 0, 0, 0));
        Rect place = new Rect(frame.left(), frame.top(), decoded.width(), decoded.height());
        Mat part = whole.submat(place);
        decoded.copyTo(part);
        part.release();
        decoded.release();
        return whole;
    }

    /** From bytes, because OpenCV opens no file with an emoji in its name. */
    private static Mat pixels(FileBytes bytes, int flags) throws IOException {
        Mat encoded = bytes.toMat();
        try {
            return Imgcodecs.imdecode(encoded, flags);
        } finally {
            encoded.release();
        }
    }

    private static int flags(int by) {
        Integer reduced = REDUCED.get(Integer.highestOneBit(Math.min(by, Reduction.MOST)));
        return reduced == null ? Imgcodecs.IMREAD_UNCHANGED : reduced | Imgcodecs.IMREAD_IGNORE_ORIENTATION;
    }

    /** @param raw 1, 3 or 4 channels of 8 or 16 bits; released */
    private static Photo of(
            Mat raw, Transparency transparency, byte @Nullable [] icc, PictureOptions options, boolean animated) {
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
        TableProfile tables = icc == null || eight.channels() == 1 ? null : TableProfile.of(icc);
        ColourProfile profile = icc == null || tables != null ? null : ColourProfile.of(icc);
        if (profile != null && profile.grey() && eight.channels() == 1) {
            profile.toSrgb(eight);
        }
        Mat colour = eight;
        if (eight.channels() != 3) {
            colour = new Mat();
            int code = eight.channels() == 1 ? Imgproc.COLOR_GRAY2BGR : Imgproc.COLOR_BGRA2BGR;
            Imgproc.cvtColor(eight, colour, code);
            eight.release();
        }
        if (profile != null && !profile.grey()) {
            profile.toSrgb(colour);
        }
        if (tables != null && tables.channels() == 3) {
            Mat srgb = tables.toSrgb(colour);
            colour.release();
            colour = srgb;
        }
        if (alpha != null) {
            putOn(options.bgr(), colour, alpha, transparency.premultiplied());
        }
        return new Photo(colour, alpha, colour.width(), colour.height(), animated);
    }

    private static void putOn(int[] background, Mat colour, Mat alpha, boolean premultiplied) {
        Mat white = new Mat();
        Core.bitwise_not(alpha, white);
        for (int i = 0; i < colour.channels(); i++) {
            Mat plane = new Mat();
            Core.extractChannel(colour, plane, i);
            if (!premultiplied) {
                Core.multiply(plane, alpha, plane, 1 / 255.0);
            }
            if (background[i] == 255) {
                Core.add(plane, white, plane);
            } else {
                Core.scaleAdd(white, background[i] / 255.0, plane, plane);
            }
            Core.insertChannel(plane, colour, i);
            plane.release();
        }
        white.release();
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
