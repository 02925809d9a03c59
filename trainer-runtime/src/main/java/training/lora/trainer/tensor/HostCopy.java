package training.lora.trainer.tensor;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.util.function.Function;

/**
 * Reads arrays that outlive the reading. DJL attaches the copy that it makes of a card's memory to the array's own
 * manager, where it would stay as long as the array.
 */
public final class HostCopy {
    private HostCopy() {}

    /** The values of an fp32 array, in its order. */
    public static float[] floats(NDArray array) {
        return read(array, NDArray::toFloatArray);
    }

    /** The bytes of an array of any type, in its order. */
    public static ByteBuffer bytes(NDArray array) {
        return read(array, a -> a.toByteBuffer(false));
    }

    private static <T> T read(NDArray array, Function<NDArray, T> reading) {
        if (array.getDevice().equals(Device.cpu())) {
            return reading.apply(array);
        }
        try (NDManager scope = array.getManager().newSubManager()) {
            NDArray copy = array.duplicate();
            copy.attach(scope);
            return reading.apply(copy);
        }
    }
}
