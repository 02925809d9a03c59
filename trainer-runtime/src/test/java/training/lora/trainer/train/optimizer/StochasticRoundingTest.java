package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import training.lora.trainer.tensor.Randomness;

class StochasticRoundingTest {
    private static float[] rounded(float[] values, long seed, NDManager manager) {
        NDArray array = manager.create(values);
        StochasticRounding.round(array, seed);
        return array.toFloatArray();
    }

    @Test
    void everyNumberBecomesANeighbourThatBf16Has() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float[] values = Randomness.normal(manager, 3, new Shape(5000)).toFloatArray();

            float[] rounded = rounded(values, 1, manager);

            for (int i = 0; i < values.length; i++) {
                int below = Float.floatToIntBits(values[i]) & 0xffff0000;
                assertThat(Float.floatToIntBits(rounded[i])).isIn(below, below + 0x10000);
            }
        }
    }

    @Test
    void whatBf16HasStays() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float[] values = {0, -0f, 1, -1, 0.5f, 2, 1.0078125f, -255, 1e-30f, 3.3895314e38f, Float.POSITIVE_INFINITY};
            values[8] = Float.intBitsToFloat(Float.floatToIntBits(1e-30f) & 0xffff0000);

            for (int seed = 0; seed < 20; seed++) {
                float[] rounded = rounded(values, seed, manager);

                assertThat(Arrays.copyOf(rounded, 10)).isEqualTo(Arrays.copyOf(values, 10));
                assertThat(rounded[10]).isNotFinite();
            }
        }
    }

    @Test
    void meanOfManyIsTheNumberItself() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            // A thousandth of the way to its neighbour, between powers of two and just below one.
            for (float value : new float[] {1 + 0.0078125f / 1000, -0.7003f, 1.99999f}) {
                float[] values = new float[1 << 20];
                Arrays.fill(values, value);

                double sum = 0;
                for (float r : rounded(values, 7, manager)) {
                    sum += r;
                }

                // Four standard errors of a choice between neighbours are 2^-10 of their distance.
                assertThat(sum / values.length).isCloseTo(value, Offset.offset(0.0078125 / 400));
            }
        }
    }

    @Test
    void seedSaysWhatIsDrawn() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float[] values = Randomness.normal(manager, 3, new Shape(5000)).toFloatArray();

            assertThat(rounded(values, 1, manager)).isEqualTo(rounded(values, 1, manager));
            assertThat(rounded(values, 1, manager)).isNotEqualTo(rounded(values, 2, manager));
        }
    }
}
