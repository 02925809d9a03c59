package training.lora.trainer.prepare.picture;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;

/**
 * An ICC profile of three curves and a matrix, as cameras and phones write (Display P3, Adobe RGB, ProPhoto), or of one curve
 * for grey (ICC.1:2010, sections 8 to 10). Profiles of tables, as printers have them, are not read.
 */
final class ColourProfile {
    /** From XYZ under D50 to linear sRGB. */
    private static final double[][] TO_SRGB = {
        {3.1338561, -1.6168667, -0.4906146}, {-0.9787684, 1.9161415, 0.0334540}, {0.0719453, -0.2289914, 1.4052427}
    };

    /** Linear values, finely enough that the steepest part of sRGB's curve loses nothing of 8 bits. */
    private static final int STEPS = 1 << 14;

    private static final byte[] ENCODED = encoded();

    private final ByteBuffer profile;
    private final boolean grey;

    /** Linear values of the 256 levels: red, green, blue, or grey alone. */
    private final float[][] curves;

    private final float[] matrix;

    private ColourProfile(ByteBuffer profile, boolean grey) {
        this.profile = profile;
        this.grey = grey;
        String[] names = grey ? new String[] {"kTRC"} : new String[] {"rTRC", "gTRC", "bTRC"};
        curves = new float[names.length][];
        for (int i = 0; i < names.length; i++) {
            curves[i] = curve(required(names[i]));
        }
        matrix = grey ? new float[0] : matrix();
    }

    /** Null where it isn't of a kind that is read. */
    static @Nullable ColourProfile of(byte[] bytes) {
        try {
            ByteBuffer profile = ByteBuffer.wrap(bytes);
            String space = new String(bytes, 16, 4, StandardCharsets.US_ASCII);
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

    private int required(String tag) {
        for (int i = 0; i < Math.min(profile.getInt(128), 1000); i++) {
            int at = 132 + 12 * i;
            if (text(at).equals(tag)) {
                return profile.getInt(at + 4);
            }
        }
        throw new IllegalArgumentException("the profile has no " + tag);
    }

    private String text(int at) {
        byte[] four = new byte[4];
        profile.get(at, four);
        return new String(four, StandardCharsets.US_ASCII);
    }

    private double fixed(int at) {
        return profile.getInt(at) / 65536.0;
    }

    private float[] matrix() {
        float[] product = new float[9];
        String[] names = {"rXYZ", "gXYZ", "bXYZ"};
        for (int column = 0; column < 3; column++) {
            int at = required(names[column]) + 8;
            for (int row = 0; row < 3; row++) {
                double sum = 0;
                for (int k = 0; k < 3; k++) {
                    sum += TO_SRGB[row][k] * fixed(at + 4 * k);
                }
                product[3 * row + column] = (float) sum;
            }
        }
        return product;
    }

    private float[] curve(int at) {
        float[] values = new float[256];
        boolean parametric = text(at).equals("para");
        if (!parametric && !text(at).equals("curv")) {
            throw new IllegalArgumentException("a curve is of an unknown kind");
        }
        for (int i = 0; i < 256; i++) {
            double x = i / 255.0;
            values[i] = (float) Math.min(1, Math.max(0, parametric ? parametric(at, x) : points(at, x)));
        }
        return values;
    }

    private double points(int at, double x) {
        int count = profile.getInt(at + 8);
        if (count == 0) {
            return x;
        }
        if (count == 1) {
            return Math.pow(x, (profile.getShort(at + 12) & 0xffff) / 256.0);
        }
        double place = x * (count - 1);
        int low = Math.min((int) place, count - 2);
        double a = (profile.getShort(at + 12 + 2 * low) & 0xffff) / 65535.0;
        double b = (profile.getShort(at + 14 + 2 * low) & 0xffff) / 65535.0;
        return a + (b - a) * (place - low);
    }

    /** The five functions of section 10.16. */
    private double parametric(int at, double x) {
        int type = profile.getShort(at + 8);
        double g = fixed(at + 12);
        if (type == 0) {
            return Math.pow(x, g);
        }
        double a = fixed(at + 16);
        double b = fixed(at + 20);
        double power = Math.pow(Math.max(0, a * x + b), g);
        if (type == 1) {
            return x >= -b / a ? power : 0;
        }
        double c = fixed(at + 24);
        if (type == 2) {
            return x >= -b / a ? power + c : c;
        }
        double d = fixed(at + 28);
        if (type == 3) {
            return x >= d ? power : c * x;
        }
        return x >= d ? power + fixed(at + 32) : c * x + fixed(at + 36);
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

    private static byte encode(float linear) {
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
