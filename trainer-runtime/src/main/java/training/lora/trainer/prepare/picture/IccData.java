package training.lora.trainer.prepare.picture;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The bytes of an ICC profile, of big-endian numbers (ICC.1:2010, sections 4, 7 and 10). What lies behind its end is an IndexOutOfBoundsException. */
final class IccData {
    private static final int MOST_TAGS = 1000;
    private static final int TAGS = 128;

    /** Of the five functions. */
    private static final int[] PARAMETERS = {1, 3, 4, 5, 7};

    private final ByteBuffer bytes;

    IccData(byte[] bytes) {
        this.bytes = ByteBuffer.wrap(bytes);
    }

    /** The colours that it is of, such as "RGB ". */
    String space() {
        return text(16);
    }

    /** What it relates them to: "XYZ " or "Lab ". */
    String connection() {
        return text(20);
    }

    /** Its version's first number. */
    int version() {
        return bytes.get(8);
    }

    /** Where a tag's data begin. */
    int required(String tag) {
        int at = find(tag);
        if (at < 0) {
            throw new IllegalArgumentException("the profile has no " + tag);
        }
        return at;
    }

    /** Where a tag's data begin; -1 where there is none. */
    int find(String tag) {
        for (int i = 0; i < Math.min(number(TAGS), MOST_TAGS); i++) {
            int at = TAGS + 4 + 12 * i;
            if (text(at).equals(tag)) {
                return number(at + 4);
            }
        }
        return -1;
    }

    String text(int at) {
        byte[] four = new byte[4];
        bytes.get(at, four);
        return new String(four, StandardCharsets.US_ASCII);
    }

    int number(int at) {
        return bytes.getInt(at);
    }

    /** 8 bits, from 0 to 255. */
    int small(int at) {
        return bytes.get(at) & 0xff;
    }

    /** 16 bits, from 0 to 65535. */
    int word(int at) {
        return bytes.getShort(at) & 0xffff;
    }

    double fixed(int at) {
        return number(at) / 65536.0;
    }

    /** A curve's values from 0 to 1 at {@code count} places from 0 to 1. */
    float[] curve(int at, int count) {
        boolean parametric = text(at).equals("para");
        if (!parametric && !text(at).equals("curv")) {
            throw new IllegalArgumentException("a curve is of an unknown kind");
        }
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            double x = i / (count - 1.0);
            values[i] = (float) Math.min(1, Math.max(0, parametric ? parametric(at, x) : points(at, x)));
        }
        return values;
    }

    /** How many bytes a curve has, filled up to four. */
    int curveLength(int at) {
        int length = text(at).equals("para") ? 12 + 4 * PARAMETERS[word(at + 8)] : 12 + 2 * number(at + 8);
        return (length + 3) / 4 * 4;
    }

    private double points(int at, double x) {
        int count = number(at + 8);
        if (count == 0) {
            return x;
        }
        if (count == 1) {
            return Math.pow(x, word(at + 12) / 256.0);
        }
        double place = x * (count - 1);
        int low = Math.min((int) place, count - 2);
        double a = word(at + 12 + 2 * low) / 65535.0;
        double b = word(at + 14 + 2 * low) / 65535.0;
        return a + (b - a) * (place - low);
    }

    /** The five functions of section 10.16. */
    private double parametric(int at, double x) {
        int type = word(at + 8);
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
}
