package training.lora.trainer.prepare.augment;

import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.prepare.augment.Copies.Copy;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.prepare.place.PlaceBuilder;

/**
 * An altered copy of a picture.
 *
 * @param picture 8-bit BGR
 * @param mask 8 bits, as large as the picture; null: all of it
 * @param place which part of the scaled picture it is, mirrored with it
 * @param variation what was done
 */
public record Altered(Mat picture, @Nullable Mat mask, Place place, Variation variation) implements AutoCloseable {
    /** Ranges as in Eden's trainer: hue in 256ths of the circle, the others as factors. */
    private static final double[] HUE = {1, 4};

    private static final double[] BRIGHTNESS = {0.9, 1.1};
    private static final double[] CONTRAST = {0.9, 1.25};
    private static final double[] SATURATION = {0.9, 1.2};

    /** Sides of the part that is taken. */
    private static final double[] PART = {0.85, 0.95};

    /** In pixels of a picture of 512. */
    private static final double MOST_BLUR = 1;

    /** Sides of what is made smaller. */
    private static final double[] SMALLER = {0.5, 0.8};

    /** Draws and remembers numbers. */
    private record Draw(SplittableRandom random, Map<String, Double> drawn) {
        double of(String name, double from, double to) {
            double value = random.nextDouble(from, to);
            drawn.put(name, value);
            return value;
        }

        double of(String name, double[] range) {
            return of(name, range[0], range[1]);
        }

        boolean chance(String name) {
            boolean yes = random.nextBoolean();
            drawn.put(name, yes ? 1.0 : 0.0);
            return yes;
        }
    }

    /**
     * Makes a copy.
     *
     * @param whole the whole picture, which stays the caller's
     * @param mask of the whole picture, which stays the caller's; null: all of it
     * @param place the part that the picture itself is
     */
    public static Altered of(Copy copy, Mat whole, @Nullable Mat mask, Place place) {
        Draw draw = new Draw(copy.random(), new TreeMap<>());
        Altered altered =
                switch (copy.kind()) {
                    case Resolution, Flip -> cut(copy, whole, mask, place, draw);
                    case Augmented ->
                        cut(copy, whole, mask, part(place, mask, draw), draw)
                                .coloured(draw)
                                .blurred(draw);
                    case Outpainted ->
                        cut(copy, whole, mask, place, draw).coloured(draw).smaller(draw);
                };
        boolean flip = copy.kind() == Variation.Kind.Flip || (copy.flips() && draw.chance("flip"));
        return altered.done(flip, new Variation(copy.kind(), copy.seed(), draw.drawn()));
    }

    private static Altered cut(Copy copy, Mat whole, @Nullable Mat mask, Place place, Draw draw) {
        return new Altered(
                place.cut(whole),
                mask == null ? null : place.cut(mask),
                place,
                new Variation(copy.kind(), copy.seed(), draw.drawn()));
    }

    /** A smaller part of the same shape, scaled to the same size; all of it where the mask shows nothing in the part. */
    private static Place part(Place place, @Nullable Mat mask, Draw draw) {
        Place part = part(place, draw);
        if (mask == null) {
            return part;
        }
        Mat shown = part.cut(mask);
        boolean something = Core.countNonZero(shown) > 0;
        shown.release();
        return something ? part : place;
    }

    private static Place part(Place place, Draw draw) {
        double share = draw.of("part", PART);
        double left = place.left() + draw.of("left", 0, 1) * (1 - share) * place.width();
        double top = place.top() + draw.of("top", 0, 1) * (1 - share) * place.height();
        int scaledWidth = Math.toIntExact(Math.round(place.scaledWidth() / share));
        int scaledHeight = Math.toIntExact(Math.round(place.scaledHeight() / share));
        return PlaceBuilder.builder(place)
                .scaledWidth(scaledWidth)
                .scaledHeight(scaledHeight)
                .left((int) Math.min(scaledWidth - place.width(), Math.round(left / share)))
                .top((int) Math.min(scaledHeight - place.height(), Math.round(top / share)))
                .build();
    }

    private Altered coloured(Draw draw) {
        shiftHue((int) Math.round(draw.of("hue", HUE)));
        Mat grey = new Mat();
        Imgproc.cvtColor(picture, grey, Imgproc.COLOR_BGR2GRAY);
        double brightness = draw.of("brightness", BRIGHTNESS);
        double contrast = draw.of("contrast", CONTRAST);
        double mean = Math.min(255, brightness * Core.mean(grey).val[0]);
        // contrast (brightness x - mean) + mean
        picture.convertTo(picture, -1, contrast * brightness, mean * (1 - contrast));
        Imgproc.cvtColor(picture, grey, Imgproc.COLOR_BGR2GRAY);
        Mat colourless = new Mat();
        Imgproc.cvtColor(grey, colourless, Imgproc.COLOR_GRAY2BGR);
        double saturation = draw.of("saturation", SATURATION);
        Core.addWeighted(picture, saturation, colourless, 1 - saturation, 0, picture);
        grey.release();
        colourless.release();
        return this;
    }

    private void shiftHue(int by) {
        Mat hsv = new Mat();
        Imgproc.cvtColor(picture, hsv, Imgproc.COLOR_BGR2HSV_FULL);
        Mat hue = new Mat();
        Core.extractChannel(hsv, hue, 0);
        byte[] shifted = new byte[256];
        for (int i = 0; i < shifted.length; i++) {
            shifted[i] = (byte) (i + by);
        }
        Mat table = new Mat(1, 256, CvType.CV_8U);
        table.put(0, 0, shifted);
        Core.LUT(hue, table, hue);
        Core.insertChannel(hue, hsv, 0);
        Imgproc.cvtColor(hsv, picture, Imgproc.COLOR_HSV2BGR_FULL);
        hsv.release();
        hue.release();
        table.release();
    }

    private Altered blurred(Draw draw) {
        if (draw.chance("blurred")) {
            double sigma = draw.of("blur", 0, MOST_BLUR) * Math.max(picture.width(), picture.height()) / 512;
            if (sigma > 0.1) {
                Imgproc.GaussianBlur(picture, picture, new Size(), sigma);
            }
        }
        return this;
    }

    /** Makes it smaller, on a ground that goes on as the picture ends and of which nothing is learned. */
    private Altered smaller(Draw draw) {
        int width = picture.width();
        int height = picture.height();
        double share = draw.of("size", SMALLER);
        Size size = new Size(Math.round(width * share), Math.round(height * share));
        int left = (int) Math.round(draw.of("left", 0, 1) * (width - size.width));
        int top = (int) Math.round(draw.of("top", 0, 1) * (height - size.height));
        int border = draw.chance("reflected") ? Core.BORDER_REFLECT : Core.BORDER_REPLICATE;
        Rect inner = new Rect(left, top, (int) size.width, (int) size.height);
        Mat small = new Mat();
        Imgproc.resize(picture, small, size, 0, 0, Imgproc.INTER_AREA);
        Mat learned = new Mat(height, width, CvType.CV_8U, new Scalar(0));
        Mat own = new Mat(inner.height, inner.width, CvType.CV_8U, new Scalar(255));
        if (mask != null) {
            Imgproc.resize(mask, own, size, 0, 0, Imgproc.INTER_AREA);
        }
        Mat ground = Ground.of(small, mask == null ? null : own, inner, new Size(width, height), border);
        ground.copyTo(picture);
        ground.release();
        put(small, picture, inner);
        small.release();
        if (mask != null) {
            mask.release();
        }
        put(own, learned, inner);
        own.release();
        // What the network is told of: a whole picture that is seen from further away.
        Place seen = PlaceBuilder.builder(place)
                .scaledWidth(width)
                .scaledHeight(height)
                .left(0)
                .top(0)
                .build();
        return new Altered(picture, learned, seen, variation);
    }

    private static void put(Mat part, Mat whole, Rect at) {
        Mat target = whole.submat(at);
        part.copyTo(target);
        target.release();
    }

    private Altered done(boolean flip, Variation done) {
        if (!flip) {
            return new Altered(picture, mask, place, done);
        }
        Core.flip(picture, picture, 1);
        if (mask != null) {
            Core.flip(mask, mask, 1);
        }
        Place mirrored = PlaceBuilder.builder(place)
                .left(place.scaledWidth() - place.left() - place.width())
                .build();
        return new Altered(picture, mask, mirrored, done);
    }

    @Override
    public void close() {
        picture.release();
        if (mask != null) {
            mask.release();
        }
    }
}
