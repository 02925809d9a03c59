package training.lora.trainer.picture;

import org.opencv.core.CvType;
import org.opencv.core.Mat;
import training.lora.trainer.OpenCvLibrary;

/**
 * Pillow's resampling, bit by bit (its Resample.c for 8 bits a channel): antialiased, rows first, rounded to 8 bits between
 * the passes. Pillow 13 goes through columns first where it thinks that faster, which differs by a few levels. It is what networks of transformers saw in their training; OpenCV's filters leave out pixels where they shrink.
 */
public final class PillowResize {
    /** Pillow's fixed point: 32 bits less 8 for a value and 2 for what overshoots. */
    private static final int PRECISION = 32 - 8 - 2;

    static {
        OpenCvLibrary.load();
    }

    private PillowResize() {}

    /** How a pixel weighs its neighbours. The numbers are those of Pillow and of preprocessor_config.json. */
    public enum Filter {
        Lanczos(1, 3) {
            @Override
            double weight(double x) {
                return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
            }
        },
        Bilinear(2, 1) {
            @Override
            double weight(double x) {
                return Math.max(0, 1 - Math.abs(x));
            }
        },
        Bicubic(3, 2) {
            private static final double A = -0.5;

            @Override
            double weight(double value) {
                double x = Math.abs(value);
                if (x < 1) {
                    return ((A + 2) * x - (A + 3)) * x * x + 1;
                }
                return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
            }
        };

        private final int number;
        private final double support;

        Filter(int number, double support) {
            this.number = number;
            this.support = support;
        }

        abstract double weight(double x);

        private static double sinc(double x) {
            return x == 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
        }

        /** The filter of Pillow's number; bilinear where it is another. */
        public static Filter of(int number) {
            for (Filter filter : values()) {
                if (filter.number == number) {
                    return filter;
                }
            }
            return Bilinear;
        }
    }

    /** The weights of the pixels that each pixel of a line is made of. */
    private record Weights(int[] first, int[][] weights) {
        static Weights of(int in, int out, Filter filter) {
            double scale = (double) in / out;
            double stretch = Math.max(scale, 1);
            double support = filter.support * stretch;
            int[] first = new int[out];
            int[][] weights = new int[out][];
            for (int i = 0; i < out; i++) {
                double centre = (i + 0.5) * scale;
                int begin = Math.max(0, (int) (centre - support + 0.5));
                int end = Math.min(in, (int) (centre + support + 0.5));
                double[] exact = new double[end - begin];
                double sum = 0;
                for (int j = 0; j < exact.length; j++) {
                    exact[j] = filter.weight((j + begin - centre + 0.5) / stretch);
                    sum += exact[j];
                }
                int[] fixed = new int[exact.length];
                for (int j = 0; j < fixed.length; j++) {
                    double weight = (sum == 0 ? exact[j] : exact[j] / sum) * (1 << PRECISION);
                    fixed[j] = (int) (weight < 0 ? weight - 0.5 : weight + 0.5);
                }
                first[i] = begin;
                weights[i] = fixed;
            }
            return new Weights(first, weights);
        }
    }

    /**
     * A picture of another size.
     *
     * @param picture of 8 bits a channel, which stays the caller's
     * @return the caller's
     */
    public static Mat resize(Mat picture, int width, int height, Filter filter) {
        int channels = picture.channels();
        Weights across = Weights.of(picture.width(), width, filter);
        byte[] line = new byte[picture.width() * channels];
        byte[] rows = new byte[picture.height() * width * channels];
        for (int y = 0; y < picture.height(); y++) {
            picture.get(y, 0, line);
            if (width == picture.width()) {
                System.arraycopy(line, 0, rows, y * line.length, line.length);
            } else {
                row(line, across, channels, rows, y * width * channels);
            }
        }
        Mat resized = new Mat(height, width, CvType.CV_8UC(channels));
        byte[] all =
                height == picture.height() ? rows : columns(rows, width * channels, picture.height(), height, filter);
        resized.put(0, 0, all);
        return resized;
    }

    private static void row(byte[] line, Weights across, int channels, byte[] to, int at) {
        for (int x = 0; x < across.first.length; x++) {
            int[] weights = across.weights[x];
            int begin = across.first[x] * channels;
            for (int c = 0; c < channels; c++) {
                int sum = 1 << (PRECISION - 1);
                for (int j = 0, from = begin + c; j < weights.length; j++, from += channels) {
                    sum += (line[from] & 0xff) * weights[j];
                }
                to[at++] = clip(sum);
            }
        }
    }

    private static byte[] columns(byte[] rows, int stride, int in, int out, Filter filter) {
        Weights down = Weights.of(in, out, filter);
        byte[] to = new byte[out * stride];
        int[] sums = new int[stride];
        for (int y = 0; y < out; y++) {
            java.util.Arrays.fill(sums, 1 << (PRECISION - 1));
            for (int j = 0; j < down.weights[y].length; j++) {
                int weight = down.weights[y][j];
                int from = (down.first[y] + j) * stride;
                for (int x = 0; x < stride; x++) {
                    sums[x] += (rows[from + x] & 0xff) * weight;
                }
            }
            for (int x = 0; x < stride; x++) {
                to[y * stride + x] = clip(sums[x]);
            }
        }
        return to;
    }

    private static byte clip(int sum) {
        return (byte) Math.max(0, Math.min(255, sum >> PRECISION));
    }
}
