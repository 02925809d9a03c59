package training.lora.trainer.page;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;

/** Curves over steps, as an SVG that a page holds. Values that are no numbers are left out. */
public final class Chart {
    private static final int WIDTH = 400;
    private static final int HEIGHT = 230;
    private static final int LEFT = 46;
    private static final int RIGHT = 14;
    private static final int TOP = 8;
    private static final int BOTTOM = 22;
    private static final int COLOURS = 8;

    /** Points of a curve at most: more can't be seen. */
    private static final int POINTS = 400;

    private final String title;
    private final List<Curve> curves = new ArrayList<>();
    private boolean fromZero;

    /** How a curve is drawn. */
    public enum Look {
        Line,
        Faint,
        Dots
    }

    private record Curve(
            @Nullable String name,
            double[] x,
            double[] y,
            double @Nullable [] low,
            double @Nullable [] high,
            Look look,
            int colour) {}

    public Chart(String title) {
        this.title = title;
    }

    /** Lets the axis of values begin at 0. */
    public Chart fromZero() {
        fromZero = true;
        return this;
    }

    /**
     * Adds a curve.
     *
     * @param name for the legend; null: it has no entry
     * @param colour from 0; those after the eighth begin again
     */
    public Chart curve(@Nullable String name, double[] x, double[] y, Look look, int colour) {
        curves.add(new Curve(name, thin(x), thin(y), null, null, look, colour % COLOURS));
        return this;
    }

    /** Adds a curve with intervals, which are drawn as a band. */
    public Chart band(String name, double[] x, double[] y, double[] low, double[] high, int colour) {
        curves.add(new Curve(name, x, y, low, high, Look.Dots, colour % COLOURS));
        return this;
    }

    /** Means of as many neighbours as it takes. */
    private static double[] thin(double[] values) {
        int each = (values.length + POINTS - 1) / POINTS;
        if (each <= 1) {
            return values;
        }
        double[] thin = new double[(values.length + each - 1) / each];
        for (int i = 0; i < thin.length; i++) {
            int from = i * each;
            int to = Math.min(values.length, from + each);
            for (int k = from; k < to; k++) {
                thin[i] += values[k] / (to - from);
            }
        }
        return thin;
    }

    /** The chart with its title and legend. */
    public String html() {
        double[] all = curves.stream()
                .flatMapToDouble(c -> DoubleStream.concat(
                        DoubleStream.of(c.y),
                        DoubleStream.concat(
                                c.low == null ? DoubleStream.empty() : DoubleStream.of(c.low),
                                c.high == null ? DoubleStream.empty() : DoubleStream.of(c.high))))
                .filter(Double::isFinite)
                .toArray();
        if (all.length == 0) {
            return "";
        }
        double least = DoubleStream.of(all).min().orElseThrow();
        double most = DoubleStream.of(all).max().orElseThrow();
        if (fromZero) {
            least = Math.min(0, least);
        }
        double range = most - least;
        boolean flat = range <= Math.abs(most) * 1e-6;
        // Of values that are all alike, their size tells what a small difference is.
        double tick = tick(Math.max(1e-12, (flat ? Math.abs(most) : range) / 4));
        if (flat) {
            // In the middle, not on an axis.
            least -= tick;
            most += tick;
        }
        double bottom = Math.floor(least / tick + 1e-9) * tick;
        double top = Math.max(bottom + tick, Math.ceil(most / tick - 1e-9) * tick);
        double left =
                curves.stream().flatMapToDouble(c -> DoubleStream.of(c.x)).min().orElse(0);
        double right = Math.max(
                left + 1e-12,
                curves.stream().flatMapToDouble(c -> DoubleStream.of(c.x)).max().orElse(1));
        StringBuilder svg =
                new StringBuilder("<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\">"
                        .formatted(Page.escape(title), WIDTH, HEIGHT));
        for (double value = bottom; value <= top + tick / 2; value += tick) {
            double y = y(value, bottom, top);
            svg.append(
                    "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%s\" y2=\"%s\"/><text x=\"%d\" y=\"%s\" text-anchor=\"end\">%s</text>"
                            .formatted(LEFT, WIDTH - RIGHT, n(y), n(y), LEFT - 5, n(y + 4), label(value, tick)));
        }
        double xTick = tick((right - left) / 4);
        for (double value = Math.ceil(left / xTick - 1e-9) * xTick; value <= right + xTick * 1e-6; value += xTick) {
            svg.append("<text x=\"%s\" y=\"%d\" text-anchor=\"middle\">%s</text>"
                    .formatted(n(x(value, left, right)), HEIGHT - 6, label(value, xTick)));
        }
        for (Curve curve : curves) {
            draw(svg, curve, new double[] {left, right, bottom, top});
        }
        return svg.append("</svg>").append(legend()).append("</figure>\n").toString();
    }

    private static void draw(StringBuilder svg, Curve curve, double[] box) {
        String colour = "var(--c%d)".formatted(curve.colour);
        if (curve.low != null && curve.high != null) {
            svg.append("<path d=\"");
            path(svg, curve.x, curve.high, box, false);
            path(svg, curve.x, curve.low, box, true);
            svg.append("Z\" fill=\"%s\" fill-opacity=\".18\"/>".formatted(colour));
        }
        double width = curve.look == Look.Faint ? 1 : 2;
        svg.append(
                "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-opacity=\"%s\" stroke-linejoin=\"round\" d=\""
                        .formatted(colour, n(width), curve.look == Look.Faint ? ".35" : "1"));
        path(svg, curve.x, curve.y, box, false);
        svg.append("\"/>");
        if (curve.look == Look.Dots) {
            for (int i = 0; i < curve.x.length; i++) {
                if (Double.isFinite(curve.y[i])) {
                    svg.append("<circle cx=\"%s\" cy=\"%s\" r=\"3\" fill=\"%s\"/>"
                            .formatted(n(x(curve.x[i], box[0], box[1])), n(y(curve.y[i], box[2], box[3])), colour));
                }
            }
        }
    }

    /** A path forward, or the way back of an area. */
    private static void path(StringBuilder svg, double[] x, double[] y, double[] box, boolean back) {
        boolean begun = back;
        for (int k = 0; k < x.length; k++) {
            int i = back ? x.length - 1 - k : k;
            if (Double.isFinite(y[i])) {
                svg.append(begun ? 'L' : 'M')
                        .append(n(x(x[i], box[0], box[1])))
                        .append(' ')
                        .append(n(y(y[i], box[2], box[3])));
                begun = true;
            }
        }
    }

    private String legend() {
        List<Curve> named = curves.stream().filter(c -> c.name != null).toList();
        if (named.size() < 2) {
            return "";
        }
        StringBuilder html = new StringBuilder("<div class=\"legend\">");
        for (Curve curve : named) {
            html.append("<span><i style=\"background:var(--c%d)\"></i>%s</span>"
                    .formatted(curve.colour, Page.escape(String.valueOf(curve.name))));
        }
        return html.append("</div>").toString();
    }

    private static double x(double value, double left, double right) {
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - left) / (right - left);
    }

    private static double y(double value, double bottom, double top) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - bottom) / (top - bottom);
    }

    private static String n(double value) {
        String text = String.format(Locale.ROOT, "%.1f", value);
        return text.endsWith(".0") ? text.substring(0, text.length() - 2) : text;
    }

    /** A number with as many digits as tell it from its neighbours. */
    private static String label(double value, double tick) {
        if (Math.abs(value) < tick * 1e-6) {
            return "0";
        }
        if (tick < 1e-3 || tick >= 1e6) {
            return String.format(Locale.ROOT, "%.0e", value)
                    .replace("e-0", "e-")
                    .replace("e+0", "e");
        }
        int digits = (int) Math.max(0, -Math.floor(Math.log10(tick) + 1e-9));
        return String.format(Locale.ROOT, "%." + digits + "f", value);
    }

    /** The next round number: 1, 2 or 5 times a power of ten. */
    private static double tick(double atLeast) {
        double power = Math.pow(10, Math.floor(Math.log10(atLeast)));
        for (double factor : new double[] {1, 2, 5}) {
            if (factor * power >= atLeast * (1 - 1e-9)) {
                return factor * power;
            }
        }
        return 10 * power;
    }
}
