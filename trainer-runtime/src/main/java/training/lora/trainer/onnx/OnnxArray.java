package training.lora.trainer.onnx;

import java.util.stream.LongStream;

/** What goes into an ONNX model and comes out of it. */
public sealed interface OnnxArray permits OnnxArray.Floats, OnnxArray.Longs, OnnxArray.Booleans, OnnxHeld {
    /** Its shape; the last dimension lies together. */
    long[] shape();

    /** Of float numbers. */
    record Floats(float[] data, long... shape) implements OnnxArray {
        public Floats {
            requireSize(data.length, shape);
        }
    }

    /** Of 64-bit integers, as ids and masks of texts are. */
    record Longs(long[] data, long... shape) implements OnnxArray {
        public Longs {
            requireSize(data.length, shape);
        }
    }

    /** Of truth values. */
    record Booleans(boolean[] data, long... shape) implements OnnxArray {
        public Booleans {
            requireSize(data.length, shape);
        }
    }

    /** Its float numbers. */
    default Floats floats() {
        if (this instanceof Floats floats) {
            return floats;
        }
        throw new IllegalStateException(
                "must be of float numbers, is a " + getClass().getSimpleName());
    }

    private static void requireSize(int length, long[] shape) {
        if (LongStream.of(shape).reduce(1, Math::multiplyExact) != length) {
            throw new IllegalArgumentException(
                    "%d values for the shape %s".formatted(length, java.util.Arrays.toString(shape)));
        }
    }
}
