package training.lora.trainer.train.progress;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfPoint;
import org.opencv.core.Point;
import org.opencv.core.Scalar;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.trained.LossLog;

/**
 * The loss curve as a picture: each step's loss, its running mean, and the loss on held-out pictures. OpenCV draws it,
 * lines and letters: Java2D needs fontconfig and fonts, which a fresh machine or a small image lacks.
 */
public final class LossChart {
    private static final int WIDTH = 960;
    private static final int HEIGHT = 540;
    private static final int LEFT = 84;
    private static final int RIGHT = 24;
    private static final int TOP = 56;
    private static final int BOTTOM = 60;
    private static final int FONT = Imgproc.FONT_HERSHEY_SIMPLEX;
    /** Points are given to OpenCV in 1/16 pixel. */
    private static final int SHIFT = 4;

    private static final Scalar PAPER = new Scalar(255, 255, 255);
    private static final Scalar INK = new Scalar(50, 50, 50);
    private static final Scalar GRID = new Scalar(228, 228, 228);
    /** Blue, green, red. */
    private static final Scalar RAW = new Scalar(230, 205, 170);

    private static final Scalar SMOOTH = new Scalar(180, 90, 20);
    private static final Scalar VALIDATION = new Scalar(40, 100, 230);

    static {
        OpenCvLibrary.load();
    }

    /** A value at a number of steps. */
    private record Value(int step, double value) {}

    private final List<LossLog.Line> lines;
    private final List<Value> validation;
    private final double lowest;
    private final double highest;
    private final double tick;

    private LossChart(List<LossLog.Line> lines, @Nullable Double validationBefore) {
        this.lines = lines;
        this.validation = new ArrayList<>();
        if (validationBefore != null) {
            validation.add(new Value(0, validationBefore));
        }
        for (LossLog.Line line : lines) {
            Double value = line.validationLoss();
            if (value != null) {
                validation.add(new Value(line.step(), value));
            }
        }
        double top = Stream.concat(
                        lines.stream().map(LossLog.Line::loss),
                        validation.stream().map(Value::value))
                .max(Double::compare)
                .orElse(1.0);
        tick = tick(top > 0 ? top / 5 : 0.2);
        lowest = 0;
        highest = Math.max(tick, Math.ceil(top / tick) * tick);
    }

    /**
     * Draws at least one line.
     *
     * @param validationBefore the loss on held-out pictures before the first step; null where there are none
     */
    public static Picture draw(List<LossLog.Line> lines, @Nullable Double validationBefore, String title) {
        Mat sheet = new Mat(HEIGHT, WIDTH, CvType.CV_8UC3, PAPER);
        LossChart chart = new LossChart(lines, validationBefore);
        chart.axes(sheet);
        chart.curve(sheet, chart.values(LossLog.Line::loss), RAW, 1);
        double[] smooth = smoothed(lines);
        int first = lines.get(0).step();
        chart.curve(sheet, chart.values(line -> smooth[line.step() - first]), SMOOTH, 2);
        if (!chart.validation.isEmpty()) {
            chart.curve(sheet, chart.validation, VALIDATION, 2);
            chart.dots(sheet);
        }
        text(sheet, title, LEFT, 32, 0.7, INK);
        chart.legend(sheet);
        return Picture.ofBgr(sheet);
    }

    /** Running mean with a memory of a twentieth of the run, corrected for its start. */
    static double[] smoothed(List<LossLog.Line> lines) {
        double keep = 1 - 1.0 / Math.max(5, lines.size() / 20.0);
        double[] smooth = new double[lines.size()];
        double mean = 0;
        for (int i = 0; i < smooth.length; i++) {
            mean = keep * mean + (1 - keep) * lines.get(i).loss();
            smooth[i] = mean / (1 - Math.pow(keep, i + 1));
        }
        return smooth;
    }

    /** The next round number: 1, 2 or 5 times a power of ten. */
    static double tick(double atLeast) {
        double power = Math.pow(10, Math.floor(Math.log10(atLeast)));
        for (double factor : new double[] {1, 2, 5}) {
            if (factor * power >= atLeast * (1 - 1e-9)) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    private void axes(Mat sheet) {
        for (double value = lowest; value <= highest + tick / 2; value += tick) {
            double y = y(value);
            Imgproc.line(sheet, new Point(LEFT, y), new Point(WIDTH - RIGHT, y), GRID, 1);
            int digits = (int) Math.max(0, -Math.floor(Math.log10(tick)));
            String label = String.format(Locale.ROOT, "%." + digits + "f", value);
            text(sheet, label, LEFT - 10 - width(label, 0.45), (int) y + 5, 0.45, INK);
        }
        int last = lines.get(lines.size() - 1).step();
        int each = (int) Math.max(1, tick(last / 8.0));
        for (int step = 0; step <= last; step += each) {
            double x = x(step);
            Imgproc.line(sheet, new Point(x, TOP), new Point(x, HEIGHT - BOTTOM), GRID, 1);
            String label = Integer.toString(step);
            text(sheet, label, (int) x - width(label, 0.45) / 2, HEIGHT - BOTTOM + 20, 0.45, INK);
        }
        Imgproc.line(sheet, new Point(LEFT, TOP), new Point(LEFT, HEIGHT - BOTTOM), INK, 1);
        Imgproc.line(sheet, new Point(LEFT, HEIGHT - BOTTOM), new Point(WIDTH - RIGHT, HEIGHT - BOTTOM), INK, 1);
        text(sheet, "step", LEFT + (WIDTH - LEFT - RIGHT) / 2 - 16, HEIGHT - 14, 0.5, INK);
        text(sheet, "loss", 14, TOP - 12, 0.5, INK);
    }

    private List<Value> values(ToDoubleFunction<LossLog.Line> value) {
        return lines.stream()
                .map(line -> new Value(line.step(), value.applyAsDouble(line)))
                .toList();
    }

    private void dots(Mat sheet) {
        for (Value v : validation) {
            Imgproc.circle(sheet, new Point(x(v.step()), y(v.value())), 4, VALIDATION, -1, Imgproc.LINE_AA);
        }
    }

    private void curve(Mat sheet, List<Value> values, Scalar colour, int thickness) {
        List<Point> points = new ArrayList<>();
        for (Value v : values) {
            points.add(new Point(Math.rint(x(v.step()) * (1 << SHIFT)), Math.rint(y(v.value()) * (1 << SHIFT))));
        }
        MatOfPoint polyline = new MatOfPoint(points.toArray(Point[]::new));
        Imgproc.polylines(sheet, List.of(polyline), false, colour, thickness, Imgproc.LINE_AA, SHIFT);
        polyline.release();
    }

    private void legend(Mat sheet) {
        int x = WIDTH - RIGHT - 250;
        Imgproc.line(sheet, new Point(x, 28), new Point(x + 28, 28), RAW, 1, Imgproc.LINE_AA);
        text(sheet, "each step", x + 34, 33, 0.45, INK);
        Imgproc.line(sheet, new Point(x + 126, 28), new Point(x + 154, 28), SMOOTH, 2, Imgproc.LINE_AA);
        text(sheet, "running mean", x + 160, 33, 0.45, INK);
        if (!validation.isEmpty()) {
            Imgproc.circle(sheet, new Point(x + 14, 46), 4, VALIDATION, -1, Imgproc.LINE_AA);
            text(sheet, "held-out pictures", x + 34, 51, 0.45, INK);
        }
    }

    private double x(int step) {
        double last = lines.get(lines.size() - 1).step();
        return LEFT + (WIDTH - LEFT - RIGHT) * (step / last);
    }

    private double y(double value) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ((value - lowest) / (highest - lowest));
    }

    private static int width(String text, double size) {
        return (int) Imgproc.getTextSize(text, FONT, size, 1, new int[1]).width;
    }

    private static void text(Mat sheet, String text, int left, int base, double size, Scalar colour) {
        Imgproc.putText(sheet, text, new Point(left, base), FONT, size, colour, 1, Imgproc.LINE_AA);
    }
}
