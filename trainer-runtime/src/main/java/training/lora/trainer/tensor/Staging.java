package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Memory that all reads of a file share: a tensor's bytes as they lie in the file, and its values in fp32. It is the
 * engine's, since that of a direct buffer would wait for a collection.
 */
final class Staging implements AutoCloseable {
    private @Nullable NDManager memory;
    private @Nullable NDArray stored;
    private @Nullable NDArray widened;

    /** Room for {@code count} bytes, which stands until the next call. */
    ByteBuffer bytes(long count) {
        stored = grown(stored, count);
        return view(stored, count);
    }

    /**
     * The floats in {@code bytes}, which {@link #bytes} gave, as fp32.
     *
     * @param dtype one of {@link SafeTensors#FLOATS}
     * @return in {@code host}, a manager of the CPU, valid until the next call
     */
    NDArray widen(ByteBuffer bytes, String dtype, Shape shape, NDManager host) {
        if (dtype.equals("F32")) {
            return host.create(bytes, shape, DataType.FLOAT32);
        }
        long count = shape.size() * Float.BYTES;
        widened = grown(widened, count);
        ByteBuffer values = view(widened, count);
        if (dtype.equals("F16")) {
            NDArray single = host.create(values, shape, DataType.FLOAT32);
            Copy.into(single, host.create(bytes, shape, DataType.FLOAT16));
            return single;
        }
        if (dtype.equals("F64")) {
            while (bytes.hasRemaining()) {
                values.putFloat((float) bytes.getDouble());
            }
            return host.create(values.flip(), shape, DataType.FLOAT32);
        }
        // DJL can't make a tensor of bf16, nor one of 16-bit integers.
        while (bytes.hasRemaining()) {
            values.putInt(bytes.getShort() << 16);
        }
        return host.create(values.flip(), shape, DataType.FLOAT32);
    }

    private NDArray grown(@Nullable NDArray now, long bytes) {
        if (now != null) {
            if (now.size() >= bytes) {
                return now;
            }
            now.close();
        }
        if (memory == null) {
            memory = ComputeDevice.CPU.newManager();
        }
        return memory.create(new Shape(bytes), DataType.UINT8);
    }

    private static ByteBuffer view(NDArray memory, long bytes) {
        return memory.toByteBuffer(true).limit((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void close() {
        if (memory != null) {
            memory.close();
            memory = null;
            stored = null;
            widened = null;
        }
    }
}
