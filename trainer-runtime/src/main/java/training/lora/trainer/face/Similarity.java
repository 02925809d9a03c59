package training.lora.trainer.face;

import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgproc.Imgproc;

/**
 * A turn, a scale and a shift, from a picture to a part of it: x' = a x - b y + c, y' = b x + a y + d.
 */
record Similarity(double a, double b, double c, double d) {
    /**
     * From the square around {@code centre}, turned by {@code angle}, to one of {@code to} pixels.
     *
     * @param side of the square in the picture
     * @param angle clockwise, by which the square stands askew, in radians
     */
    static Similarity square(Point centre, double side, double angle, double to) {
        double scale = to / side;
        double a = scale * Math.cos(angle);
        double b = -scale * Math.sin(angle);
        return new Similarity(a, b, to / 2 - (a * centre.x - b * centre.y), to / 2 - (b * centre.x + a * centre.y));
    }

    /** The one that brings {@code from} nearest to {@code to} by least squares (Umeyama without mirroring). */
    static Similarity between(Point[] from, Point[] to) {
        Point p = mean(from);
        Point q = mean(to);
        double dot = 0;
        double cross = 0;
        double square = 0;
        for (int i = 0; i < from.length; i++) {
            double x = from[i].x - p.x;
            double y = from[i].y - p.y;
            double u = to[i].x - q.x;
            double v = to[i].y - q.y;
            dot += x * u + y * v;
            cross += x * v - y * u;
            square += x * x + y * y;
        }
        double a = dot / square;
        double b = cross / square;
        return new Similarity(a, b, q.x - (a * p.x - b * p.y), q.y - (b * p.x + a * p.y));
    }

    private static Point mean(Point[] points) {
        Point mean = new Point();
        for (Point point : points) {
            mean.x += point.x / points.length;
            mean.y += point.y / points.length;
        }
        return mean;
    }

    Point apply(Point p) {
        return new Point(a * p.x - b * p.y + c, b * p.x + a * p.y + d);
    }

    /** The way back. */
    Point invert(Point p) {
        double x = p.x - c;
        double y = p.y - d;
        double square = a * a + b * b;
        return new Point((a * x + b * y) / square, (a * y - b * x) / square);
    }

    /** How much larger the part is than in the picture. */
    double scale() {
        return Math.hypot(a, b);
    }

    /** The part, of {@code side} pixels; black where it leaves the picture. */
    Mat cut(Mat picture, int side) {
        Mat source = picture;
        double shrink = scale();
        Similarity rest = this;
        if (shrink < 0.5) {
            // A warp looks at four pixels, so that most are averaged before.
            double whole = 2 * shrink;
            source = new Mat();
            Size size = new Size(
                    Math.max(1, Math.round(picture.width() * whole)),
                    Math.max(1, Math.round(picture.height() * whole)));
            Imgproc.resize(picture, source, size, 0, 0, Imgproc.INTER_AREA);
            double exact = size.width / picture.width();
            rest = new Similarity(a / exact, b / exact, c, d);
        }
        Mat matrix = new Mat(2, 3, CvType.CV_64F);
        // Pixels' middles lie at half, where OpenCV counts from them.
        double shift = 0.5;
        matrix.put(
                0,
                0,
                rest.a,
                -rest.b,
                rest.c + shift * (rest.a - rest.b) - shift,
                rest.b,
                rest.a,
                rest.d + shift * (rest.b + rest.a) - shift);
        Mat part = new Mat();
        Imgproc.warpAffine(
                source,
                part,
                matrix,
                new Size(side, side),
                Imgproc.INTER_LINEAR,
                org.opencv.core.Core.BORDER_CONSTANT,
                new Scalar(0, 0, 0));
        matrix.release();
        if (source != picture) {
            source.release();
        }
        return part;
    }
}
