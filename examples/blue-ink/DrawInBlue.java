import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Ellipse2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/**
 * Draws pictures on white anew in blue ink: outlines of one width, with flat fills in two blues. The bundled data set was
 * made by
 *
 * <pre>java examples/blue-ink/DrawInBlue.java examples/bundled/fluent-style examples/bundled/blue-ink</pre>
 */
class DrawInBlue {
    static final int PAPER = 0xffffff;
    static final int INK = 0x12308f;
    static final int LIGHT = 0x9fd0ff;
    static final int DARK = 0x3f7fe0;
    /** CIELAB's lightness above which a part stays white. */
    static final double WHITE_ABOVE = 92;
    /** The lightness below which it is dark. */
    static final double DARK_BELOW = 58;
    /** Width of the outlines in pixels of the picture. */
    static final double LINE = 4;
    /** Shorter outlines are left out. */
    static final double SHORTEST_LINE = 6;
    /** The difference of colours in CIELAB at which an outline begins. */
    static final double BEGINS = 26;
    /** The difference down to which it goes on. */
    static final double GOES_ON = 10;
    /** How much the border of the ground counts as a difference, so that white things have an outline too. */
    static final double GROUND = 14;
    /** Outlines are found and drawn in a picture so many times as large. */
    static final int SCALE = 4;

    public static void main(String[] arguments) throws IOException {
        Path from = Path.of(arguments[0]);
        Path to = Files.createDirectories(Path.of(arguments[1]));
        List<Path> files;
        try (Stream<Path> listed = Files.list(from)) {
            files = listed.filter(f -> f.toString().endsWith(".png")).sorted().toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            ImageIO.write(new Sheet(ImageIO.read(file.toFile())).drawn(), "png", to.resolve(name).toFile());
            String caption = name.replace(".png", ".txt");
            Files.copy(from.resolve(caption), to.resolve(caption), StandardCopyOption.REPLACE_EXISTING);
        }
        System.out.println(files.size() + " pictures in " + to);
    }

    /** A picture, enlarged. */
    static class Sheet {
        final int width;
        final int height;
        /** Lightness, two of colour, and what is in front of the ground; smoothed. */
        final double[][] channels;

        Sheet(BufferedImage picture) {
            width = picture.getWidth() * SCALE;
            height = picture.getHeight() * SCALE;
            BufferedImage large = resized(picture, width, height);
            BufferedImage front = resized(front(picture), width, height);
            channels = new double[4][width * height];
            for (int i = 0; i < width * height; i++) {
                double[] lab = lab(large.getRGB(i % width, i / width));
                for (int c = 0; c < 3; c++) {
                    channels[c][i] = lab[c];
                }
                channels[3][i] = (front.getRGB(i % width, i / width) & 0xff) / 255.0 * GROUND;
            }
            for (double[] channel : channels) {
                smooth(channel);
            }
        }

        BufferedImage drawn() {
            BufferedImage sheet = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
            List<Integer> outlines = outlines();
            fill(sheet, outlines);
            Graphics2D pen = sheet.createGraphics();
            pen.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
            pen.setColor(new Color(INK));
            double size = LINE * SCALE;
            for (int i : outlines) {
                pen.fill(new Ellipse2D.Double(i % width + 0.5 - size / 2, i / width + 0.5 - size / 2, size, size));
            }
            pen.dispose();
            return reduced(sheet);
        }

        /** The places of outlines, by Canny's method: ridges of the gradient that are strong somewhere. */
        List<Integer> outlines() {
            double[] strength = new double[width * height];
            double[] across = new double[width * height];
            for (int y = 1; y < height - 1; y++) {
                for (int x = 1; x < width - 1; x++) {
                    gradient(y * width + x, strength, across);
                }
            }
            boolean[] ridge = new boolean[width * height];
            for (int y = 2; y < height - 2; y++) {
                for (int x = 2; x < width - 2; x++) {
                    int i = y * width + x;
                    double dx = Math.cos(across[i]);
                    double dy = Math.sin(across[i]);
                    ridge[i] = strength[i] >= GOES_ON
                            && strength[i] >= between(strength, x + dx, y + dy)
                            && strength[i] >= between(strength, x - dx, y - dy);
                }
            }
            List<Integer> all = new ArrayList<>();
            for (int i = 0; i < ridge.length; i++) {
                if (ridge[i] && strength[i] >= BEGINS) {
                    List<Integer> line = joined(i, ridge, true);
                    if (line.size() >= SHORTEST_LINE * SCALE) {
                        all.addAll(line);
                    }
                }
            }
            return all;
        }

        /** The gradient over all channels at once, by the larger eigenvalue of its structure tensor. */
        void gradient(int i, double[] strength, double[] across) {
            double xx = 0;
            double yy = 0;
            double xy = 0;
            for (double[] c : channels) {
                double x = (c[i + 1] - c[i - 1]) / 2;
                double y = (c[i + width] - c[i - width]) / 2;
                xx += x * x;
                yy += y * y;
                xy += x * y;
            }
            // The slope of a smoothed step, times the width over which it rises, is the step.
            strength[i] = Math.sqrt((xx + yy + Math.hypot(xx - yy, 2 * xy)) / 2) * SCALE * Math.sqrt(2 * Math.PI);
            across[i] = Math.atan2(2 * xy, xx - yy) / 2;
        }

        /** Gives each part between outlines one colour; the ground is paper. */
        void fill(BufferedImage sheet, List<Integer> outlines) {
            boolean[] toFill = new boolean[width * height];
            for (int i = 0; i < toFill.length; i++) {
                toFill[i] = !ground(i);
                sheet.setRGB(i % width, i / width, PAPER);
            }
            boolean[] outline = new boolean[width * height];
            for (int i : outlines) {
                for (int y = -1; y <= 1; y++) {
                    for (int x = -1; x <= 1; x++) {
                        outline[i + y * width + x] = true;
                        toFill[i + y * width + x] = false;
                    }
                }
            }
            for (int i = 0; i < toFill.length; i++) {
                if (toFill[i]) {
                    List<Integer> part = joined(i, toFill, false);
                    int colour = colour(part, outline);
                    part.forEach(j -> sheet.setRGB(j % width, j / width, colour));
                }
            }
        }

        int colour(List<Integer> part, boolean[] outline) {
            double lightness = part.stream().mapToDouble(i -> channels[0][i]).average().orElseThrow();
            long open = part.stream()
                    .flatMap(i -> neighbours(i, false).stream())
                    .filter(j -> ground(j) && !outline[j])
                    .count();
            // A narrow rim between the outline and the ground is the ground's.
            if (open * 20 > part.size() || lightness > WHITE_ABOVE) {
                return PAPER;
            }
            return lightness < DARK_BELOW ? DARK : LIGHT;
        }

        boolean ground(int i) {
            return channels[3][i] < 0.7 * GROUND;
        }

        /** All of {@code members} that hang together with {@code start}; they are taken out. */
        List<Integer> joined(int start, boolean[] members, boolean diagonally) {
            List<Integer> joined = new ArrayList<>();
            Deque<Integer> next = new ArrayDeque<>(List.of(start));
            members[start] = false;
            while (!next.isEmpty()) {
                int i = next.poll();
                joined.add(i);
                for (int j : neighbours(i, diagonally)) {
                    if (members[j]) {
                        members[j] = false;
                        next.add(j);
                    }
                }
            }
            return joined;
        }

        List<Integer> neighbours(int i, boolean diagonally) {
            List<Integer> neighbours = new ArrayList<>();
            for (int y = -1; y <= 1; y++) {
                for (int x = -1; x <= 1; x++) {
                    int column = i % width + x;
                    int row = i / width + y;
                    boolean inside = column >= 0 && row >= 0 && column < width && row < height;
                    if (inside && (x == 0 ? y != 0 : y == 0 || diagonally)) {
                        neighbours.add(row * width + column);
                    }
                }
            }
            return neighbours;
        }

        double between(double[] values, double x, double y) {
            int i = (int) y * width + (int) x;
            double right = x - (int) x;
            double below = y - (int) y;
            return (1 - below) * ((1 - right) * values[i] + right * values[i + 1])
                    + below * ((1 - right) * values[i + width] + right * values[i + width + 1]);
        }

        /** A Gaussian blur by one pixel of the picture. */
        void smooth(double[] values) {
            for (int step : new int[] {1, width}) {
                double[] before = values.clone();
                int length = step == 1 ? width : height;
                for (int i = 0; i < values.length; i++) {
                    int place = step == 1 ? i % width : i / width;
                    double sum = 0;
                    double weights = 0;
                    for (int k = -3 * SCALE; k <= 3 * SCALE; k++) {
                        if (place + k >= 0 && place + k < length) {
                            double weight = Math.exp(-k * k / (2.0 * SCALE * SCALE));
                            sum += weight * before[i + k * step];
                            weights += weight;
                        }
                    }
                    values[i] = sum / weights;
                }
            }
        }
    }

    /** White where something is in front of the ground, which is all that is white and reaches the edge. */
    static BufferedImage front(BufferedImage picture) {
        int width = picture.getWidth();
        int height = picture.getHeight();
        BufferedImage front = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Deque<Integer> next = new ArrayDeque<>();
        for (int i = 0; i < width * height; i++) {
            front.setRGB(i % width, i / width, 0xffffff);
            if (i % width == 0 || i % width == width - 1 || i / width == 0 || i / width == height - 1) {
                next.add(i);
            }
        }
        while (!next.isEmpty()) {
            int x = next.peek() % width;
            int y = next.poll() / width;
            if ((front.getRGB(x, y) & 1) == 1 && (picture.getRGB(x, y) & 0xfcfcfc) == 0xfcfcfc) {
                front.setRGB(x, y, 0);
                next.add(y * width + Math.max(0, x - 1));
                next.add(y * width + Math.min(width - 1, x + 1));
                next.add(Math.max(0, y - 1) * width + x);
                next.add(Math.min(height - 1, y + 1) * width + x);
            }
        }
        return front;
    }

    static BufferedImage resized(BufferedImage picture, int width, int height) {
        BufferedImage resized = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D pen = resized.createGraphics();
        pen.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
        pen.drawImage(picture, 0, 0, width, height, null);
        pen.dispose();
        return resized;
    }

    /** The mean of each SCALE x SCALE pixels. */
    static BufferedImage reduced(BufferedImage large) {
        BufferedImage picture =
                new BufferedImage(large.getWidth() / SCALE, large.getHeight() / SCALE, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < picture.getHeight(); y++) {
            for (int x = 0; x < picture.getWidth(); x++) {
                int rgb = 0;
                for (int shift = 0; shift < 24; shift += 8) {
                    int sum = 0;
                    for (int i = 0; i < SCALE * SCALE; i++) {
                        sum += large.getRGB(x * SCALE + i % SCALE, y * SCALE + i / SCALE) >> shift & 0xff;
                    }
                    rgb |= sum / (SCALE * SCALE) << shift;
                }
                picture.setRGB(x, y, rgb);
            }
        }
        return picture;
    }

    /** CIELAB of an sRGB colour. */
    static double[] lab(int rgb) {
        double r = linear(rgb >> 16 & 0xff);
        double g = linear(rgb >> 8 & 0xff);
        double b = linear(rgb & 0xff);
        double x = root((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
        double y = root(0.2126 * r + 0.7152 * g + 0.0722 * b);
        double z = root((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
        return new double[] {116 * y - 16, 500 * (x - y), 200 * (y - z)};
    }

    static double linear(int level) {
        double v = level / 255.0;
        return v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
    }

    static double root(double t) {
        return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116.0;
    }
}
