package training.lora.trainer.prepare.picture;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.opencv.core.CvType;
import org.opencv.core.Mat;

/**
 * An ICC profile of tables (A2B0: lut8Type, lut16Type and lutAToBType of ICC.1:2010, section 10), as printers and scanners have
 * them, with black point compensation, as littlecms does it from any of them to sRGB under perceptual intent.
 */
final class TableProfile {
    private static final double[] WHITE = {0.9642, 1.0, 0.8249};

    /** Of perceptual tables of version 4 (littlecms has these digits). */
    private static final double[] PERCEPTUAL_BLACK = {0.00336, 0.0034731, 0.00287};

    private static final int LEVELS = 256;
    private static final int CURVE = 4097;

    /** XYZ in 16 bits. */
    private static final double XYZ_RANGE = 1 + 32767.0 / 32768;

    /** Of L in lut16Type, whose 65280 is 100. */
    private static final double OLD_LAB = 65535.0 / 65280;

    private final IccData profile;
    private final boolean lab;
    private final boolean oldLab;

    /** Values of the 256 levels, for each ink or light. */
    private final float[][] inputs;

    private float[] table = new float[0];
    private int[] points = new int[0];

    /** What follows the table: curves, a matrix of 3 x 4, curves. */
    private final float @Nullable [][] middle;

    private final double @Nullable [] matrix;
    private final float[][] outputs;
    private final double[] scale = {1, 1, 1};
    private final double[] offset = {0, 0, 0};

    // Of one call, so that nothing is allocated for each pixel.
    private final double[] xyz = new double[3];
    private final float[] value = new float[3];
    private final float[] fractions = new float[3];
    private final int[] strides = new int[3];

    private TableProfile(IccData profile, int at) {
        this.profile = profile;
        this.lab = profile.connection().equals("Lab ");
        String type = profile.text(at);
        int channels = profile.small(at + 8);
        if (channels != channels(profile.space()) || profile.small(at + 9) != 3) {
            throw new IllegalArgumentException("a table of " + channels + " channels");
        }
        this.oldLab = type.equals("mft2");
        switch (type) {
            case "mft1", "mft2" -> {
                int word = type.equals("mft2") ? 2 : 1;
                int from = at + (word == 2 ? 52 : 48);
                int before = word == 2 ? profile.word(at + 48) : LEVELS;
                int after = word == 2 ? profile.word(at + 50) : LEVELS;
                inputs = new float[channels][];
                for (int c = 0; c < channels; c++) {
                    inputs[c] = sampled(numbers(from + c * before * word, before, word), LEVELS);
                }
                points = new int[channels];
                Arrays.fill(points, profile.small(at + 10));
                int grid = from + channels * before * word;
                table = numbers(grid, entries(), word);
                outputs = new float[3][];
                for (int c = 0; c < 3; c++) {
                    outputs[c] = numbers(grid + (entries() + c * after) * word, after, word);
                }
                middle = null;
                matrix = null;
            }
            case "mAB " -> {
                int curves = profile.number(at + 28);
                int grid = profile.number(at + 24);
                inputs = curves == 0 ? identities(channels) : curves(at + curves, channels, LEVELS);
                if (grid != 0) {
                    points = new int[channels];
                    for (int c = 0; c < channels; c++) {
                        points[c] = profile.small(at + grid + c);
                    }
                    table = numbers(at + grid + 20, entries(), profile.small(at + grid + 16));
                } else if (channels != 3) {
                    throw new IllegalArgumentException("no table");
                }
                int m = profile.number(at + 20);
                middle = m == 0 ? null : curves(at + m, 3, CURVE);
                int by = profile.number(at + 16);
                matrix = by == 0 ? null : new double[12];
                for (int i = 0; matrix != null && i < 12; i++) {
                    matrix[i] = profile.fixed(at + by + 4 * i);
                }
                outputs = curves(at + profile.number(at + 12), 3, CURVE);
            }
            default -> throw new IllegalArgumentException(type);
        }
        compensate();
    }

    /** Null where it has no such tables for colours that are read. */
    static @Nullable TableProfile of(byte[] bytes) {
        try {
            IccData profile = new IccData(bytes);
            int at = profile.find("A2B0");
            return at < 0 || channels(profile.space()) == 0 ? null : new TableProfile(profile, at);
        } catch (IndexOutOfBoundsException
                | IllegalArgumentException
                | NegativeArraySizeException
                | ArithmeticException e) {
            return null;
        }
    }

    private static int channels(String space) {
        return space.equals("CMYK") ? 4 : space.equals("RGB ") ? 3 : 0;
    }

    /** Of a pixel: 4 of CMYK, 3 of RGB. */
    int channels() {
        return inputs.length;
    }

    private int entries() {
        long entries = 3;
        for (int n : points) {
            if (n < 2) {
                throw new IllegalArgumentException("a table of " + n);
            }
            entries *= n;
        }
        return Math.toIntExact(Math.min(entries, Integer.MAX_VALUE));
    }

    /** Numbers of 1 or 2 bytes, from 0 to 1. */
    private float[] numbers(int at, int count, int word) {
        if (word < 1 || word > 2 || count < 2) {
            throw new IllegalArgumentException(count + " numbers of " + word + " bytes");
        }
        // Before memory is asked for.
        profile.small(at + Math.multiplyExact(count, word) - 1);
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = word == 2 ? profile.word(at + 2 * i) / 65535f : profile.small(at + i) / 255f;
        }
        return numbers;
    }

    private float[][] curves(int at, int count, int places) {
        float[][] curves = new float[count][];
        int next = at;
        for (int c = 0; c < count; c++) {
            curves[c] = profile.curve(next, places);
            next += profile.curveLength(next);
        }
        return curves;
    }

    private static float[][] identities(int count) {
        float[][] curves = new float[count][];
        Arrays.fill(curves, sampled(new float[] {0, 1}, LEVELS));
        return curves;
    }

    private static float[] sampled(float[] curve, int places) {
        float[] values = new float[places];
        for (int i = 0; i < places; i++) {
            values[i] = at(curve, i / (places - 1f));
        }
        return values;
    }

    private static float at(float[] curve, float x) {
        float place = Math.min(1, Math.max(0, x)) * (curve.length - 1);
        int low = Math.min((int) place, curve.length - 2);
        return curve[low] + (curve[low + 1] - curve[low]) * (place - low);
    }

    /** The darkest that it can say becomes black. */
    private void compensate() {
        double[] black = PERCEPTUAL_BLACK;
        if (profile.version() < 4) {
            int darkest = channels() == 4 ? 255 : 0;
            int[] levels = new int[channels()];
            Arrays.fill(levels, darkest);
            toXyz(levels);
            double lightness = Math.min(50, Math.max(0, 116 * f(xyz[1]) - 16));
            double y = inverse((lightness + 16) / 116);
            black = new double[] {WHITE[0] * y, y, WHITE[2] * y};
        }
        for (int i = 0; i < 3; i++) {
            double t = black[i] - WHITE[i];
            scale[i] = -WHITE[i] / t;
            offset[i] = WHITE[i] * black[i] / t;
        }
    }

    private static double f(double t) {
        return t > 216 / 24389.0 ? Math.cbrt(t) : (841 / 108.0) * t + 16 / 116.0;
    }

    private static double inverse(double t) {
        return t > 24 / 116.0 ? t * t * t : (108 / 841.0) * (t - 16 / 116.0);
    }

    private void toXyz(int[] levels) {
        if (points.length == 0) {
            for (int c = 0; c < 3; c++) {
                value[c] = inputs[c][levels[c]];
            }
        } else {
            interpolate(levels);
        }
        if (middle != null) {
            for (int c = 0; c < 3; c++) {
                value[c] = at(middle[c], value[c]);
            }
        }
        if (matrix != null) {
            float x = value[0];
            float y = value[1];
            float z = value[2];
            for (int c = 0; c < 3; c++) {
                value[c] = (float) (matrix[3 * c] * x + matrix[3 * c + 1] * y + matrix[3 * c + 2] * z + matrix[9 + c]);
            }
        }
        for (int c = 0; c < 3; c++) {
            value[c] = at(outputs[c], value[c]);
        }
        if (!lab) {
            for (int c = 0; c < 3; c++) {
                xyz[c] = value[c] * XYZ_RANGE;
            }
            return;
        }
        double of = oldLab ? OLD_LAB : 1;
        double y = (value[0] * of * 100 + 16) / 116;
        xyz[0] = WHITE[0] * inverse(y + (value[1] * of * 255 - 128) / 500);
        xyz[1] = inverse(y);
        xyz[2] = WHITE[2] * inverse(y - (value[2] * of * 255 - 128) / 200);
    }

    /** As littlecms: in tetrahedra of the last three channels, and between two of them along the first of four. */
    private void interpolate(int[] levels) {
        int first = levels.length - 3;
        int index = 0;
        float between = 0;
        int stride = 3;
        for (int c = levels.length - 1; c >= 0; c--) {
            float place = inputs[c][levels[c]] * (points[c] - 1);
            int low = Math.min((int) place, points[c] - 2);
            if (c >= first) {
                fractions[c - first] = place - low;
                strides[c - first] = stride;
            } else {
                between = place - low;
            }
            index += low * stride;
            stride *= points[c];
        }
        Arrays.fill(value, 0);
        tetrahedron(index, 1 - between);
        if (first > 0) {
            tetrahedron(index + stride / points[0], between);
        }
    }

    /** From the cell's lowest corner along its edges, beginning with that along which it goes farthest. */
    private void tetrahedron(int corner, float weight) {
        int x = fractions[0] >= fractions[1] ? 0 : 1;
        int y = 1 - x;
        int last = fractions[2] < fractions[y] ? 2 : y;
        int most = fractions[2] > fractions[x] ? 2 : x;
        int middle = 3 - most - last;
        int one = corner + strides[most];
        int two = one + strides[middle];
        int three = two + strides[last];
        float a = fractions[most];
        float b = fractions[middle];
        float c = fractions[last];
        for (int i = 0; i < 3; i++) {
            value[i] += weight
                    * ((1 - a) * table[corner + i]
                            + (a - b) * table[one + i]
                            + (b - c) * table[two + i]
                            + c * table[three + i]);
        }
    }

    /**
     * A picture in sRGB.
     *
     * @param picture 8-bit BGR, or inks of CMYK from 0 to 255, which stays the caller's
     * @return 8-bit BGR
     */
    Mat toSrgb(Mat picture) {
        int n = channels();
        byte[] row = new byte[n * picture.width()];
        byte[] bgr = new byte[3 * picture.width()];
        int[] levels = new int[n];
        Mat srgb = new Mat(picture.height(), picture.width(), CvType.CV_8UC3);
        for (int y = 0; y < picture.height(); y++) {
            picture.get(y, 0, row);
            for (int x = 0; x < picture.width(); x++) {
                boolean same = x > 0;
                for (int c = 0; c < n; c++) {
                    int level = row[n * x + (n == 3 ? 2 - c : c)] & 0xff;
                    same &= level == levels[c];
                    levels[c] = level;
                }
                if (same) {
                    System.arraycopy(bgr, 3 * x - 3, bgr, 3 * x, 3);
                } else {
                    pixel(levels, bgr, 3 * x);
                }
            }
            srgb.put(y, 0, bgr);
        }
        return srgb;
    }

    private void pixel(int[] levels, byte[] bgr, int at) {
        toXyz(levels);
        for (int row = 0; row < 3; row++) {
            double linear = 0;
            for (int k = 0; k < 3; k++) {
                linear += ColourProfile.TO_SRGB[row][k] * (scale[k] * xyz[k] + offset[k]);
            }
            bgr[at + 2 - row] = ColourProfile.encode((float) linear);
        }
    }
}
