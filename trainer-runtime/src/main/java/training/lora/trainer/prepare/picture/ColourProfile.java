package training.lora.trainer.prepare.picture;

import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;

/**
 * An ICC profile of three curves and a matrix, as cameras and phones write (Display P3, Adobe RGB, ProPhoto), or of one curve
 * for grey (ICC.1:2010, sections 8 to 10).
 */
final class ColourProfile {
    /** From XYZ under D50 to linear sRGB. */
    static final double[][] TO_SRGB = {
        {3.1338561, -1.6168667, -0.4906146}, {-0.9787684, 1.9161415, 0.0334540}, {0.0719453, -0.2289914, 1.4052427}
    };

    /** Linear values, finely enough that the steepest part of sRGB's curve loses nothing of 8 bits. */
    private static final int STEPS = 1 << 14;

    private static final int LEVELS = 256;

    private static final byte[] ENCODED = encoded();

    private final IccData profile;
    private final boolean grey;

    /** Linear values of the 256 levels: red, green, blue, or grey alone. */
    private final float[][] curves;

    private final float[] matrix;

    private ColourProfile(IccData profile, boolean grey) {
        this.profile = profile;
        this.grey = grey;
        String[] names = grey ? new String[] {"kTRC"} : new String[] {"rTRC", "gTRC", "bTRC"};
        curves = new float[names.length][];
        for (int i = 0; i < names.length; i++) {
            curves[i] = profile.curve(profile.required(names[i]), LEVELS);
        }
        matrix = grey ? new float[0] : matrix();
    }

    /** Null where it isn't of a kind that is read. */
    static @Nullable ColourProfile of(byte[] bytes) {
        try {
            IccData profile = new IccData(bytes);
            String space = profile.space();
            return space.equals("RGB ") || space.equals("GRAY")
                    ? new ColourProfile(profile, space.equals("GRAY"))
                    : null;
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            return null;
        }
    }

    boolean grey() {
        return grey;
    }

    private static byte[] encoded() {
        byte[] table = new byte[STEPS + 1];
        for (int i = 0; i <= STEPS; i++) {
            double v = (double) i / STEPS;
            double e = v <= 0.0031308 ? 12.92 * v : 1.055 * Math.pow(v, 1 / 2.4) - 0.055;
            table[i] = (byte) Math.round(255 * e);
        }
        return table;
    }

    private float[] matrix() {
        float[] product = new float[9];
        String[] names = {"rXYZ", "gXYZ", "bXYZ"};
        for (int column = 0; column < 3; column++) {
            int at = profile.required(names[column]) + 8;
            for (int row = 0; row < 3; row++) {
                double sum = 0;
                for (int k = 0; k < 3; k++) {
                    sum += TO_SRGB[row][k] * profile.fixed(at + 4 * k);
                }
                product[3 * row + column] = (float) sum;
            }
        }
        return product;
    }

    /** Changes a picture to sRGB in its place: 8-bit BGR, or grey where the profile is. */
    void toSrgb(Mat picture) {
        if (picture.channels() != curves.length || isSrgb()) {
            return;
        }
        byte[] row = new byte[picture.width() * picture.channels()];
        for (int y = 0; y < picture.height(); y++) {
            picture.get(y, 0, row);
            if (grey) {
                for (int i = 0; i < row.length; i++) {
                    row[i] = encode(curves[0][row[i] & 0xff]);
                }
            } else {
                for (int i = 0; i < row.length; i += 3) {
                    pixel(row, i);
                }
            }
            picture.put(y, 0, row);
        }
    }

    private void pixel(byte[] bgr, int at) {
        float r = curves[0][bgr[at + 2] & 0xff];
        float g = curves[1][bgr[at + 1] & 0xff];
        float b = curves[2][bgr[at] & 0xff];
        bgr[at + 2] = encode(matrix[0] * r + matrix[1] * g + matrix[2] * b);
        bgr[at + 1] = encode(matrix[3] * r + matrix[4] * g + matrix[5] * b);
        bgr[at] = encode(matrix[6] * r + matrix[7] * g + matrix[8] * b);
    }

    /** The level of sRGB for a linear value. */
    static byte encode(float linear) {
        return ENCODED[(int) (Math.min(1, Math.max(0, linear)) * STEPS + 0.5f)];
    }

    /** Whether it changes nothing that is seen, as with the sRGB profiles that most programs embed. */
    private boolean isSrgb() {
        for (int i = 0; i < 9 * 9 * 9; i++) {
            byte[] colour = {level(i % 9), level(i / 9 % 9), level(i / 81)};
            byte[] changed = colour.clone();
            if (grey) {
                changed[0] = encode(curves[0][colour[0] & 0xff]);
            } else {
                pixel(changed, 0);
            }
            for (int c = 0; c < (grey ? 1 : 3); c++) {
                if (Math.abs((colour[c] & 0xff) - (changed[c] & 0xff)) > 1) {
                    return false;
                }
            }
        }
        return true;
    }

    private static byte level(int i) {
        return (byte) Math.min(255, 32 * i);
    }
}
