package training.lora.trainer.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Numbers as bf16, which Java has no type for. */
public final class BFloats {
    /** Half of what is cut off of an fp32 number. */
    private static final int HALF = 0x7fff;

    private BFloats() {}

    /** The bytes of {@code values}, rounded to the nearest, and to even where two are as near. */
    public static ByteBuffer of(float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            int bits = Float.floatToIntBits(value);
            bytes.putShort((short) ((bits + HALF + ((bits >> 16) & 1)) >> 16));
        }
        return bytes.flip();
    }
}
