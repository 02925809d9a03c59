package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import org.junit.jupiter.api.Test;

class TorchScriptTest {
    private static final TorchScript ENERGY = TorchScript.compile("x, w, b", """
            y = torch.group_norm(x, 2, w, b)
            return torch.sum(torch.mul(torch.silu(y), y))
            """);

    private static float[] gradient(NDManager manager) {
        NDArray x = Randomness.normal(manager, 1, new Shape(2, 4, 5, 5));
        x.setRequiresGradient(true);
        NDArray w = Randomness.normal(manager, 2, new Shape(4));
        NDArray b = Randomness.normal(manager, 3, new Shape(4));
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            TorchScript.backward(ENERGY.call(manager, x, w, b));
        }
        return x.getGradient().toFloatArray();
    }

    @Test
    void firstCallsGradientIsThatOfLaterOnes() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float[] first = gradient(manager);

            assertThat(first).contains(first[0]).isNotEqualTo(new float[first.length]);
            for (int i = 0; i < 4; i++) {
                assertThat(gradient(manager)).containsExactly(first);
            }
        }
    }

    @Test
    void gradientIsThatOfFiniteDifferences() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float[] gradient = gradient(manager);
            NDArray w = Randomness.normal(manager, 2, new Shape(4));
            NDArray b = Randomness.normal(manager, 3, new Shape(4));
            float[] x = Randomness.normal(manager, 1, new Shape(2, 4, 5, 5)).toFloatArray();

            for (int i : new int[] {0, 37, 119, 199}) {
                double[] energy = new double[2];
                for (int side = 0; side < 2; side++) {
                    float[] moved = x.clone();
                    moved[i] += side == 0 ? -0.01f : 0.01f;
                    energy[side] = ENERGY.call(manager, manager.create(moved, new Shape(2, 4, 5, 5)), w, b)
                            .getFloat();
                }
                assertThat((energy[1] - energy[0]) / 0.02)
                        .as("at %d", i)
                        .isCloseTo(gradient[i], org.assertj.core.api.Assertions.within(0.02));
            }
        }
    }

    @Test
    void resultsBelongToTheGivenScope() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = manager.ones(new Shape(3));
            TorchScript twice = TorchScript.compile("x", "return torch.mul(x, 2)");
            try (NDManager scope = manager.newSubManager()) {
                assertThat(twice.call(scope, x).getManager()).isSameAs(scope);
                assertThat(scope.getManagedArrays()).hasSize(1);
            }
            assertThat(manager.getManagedArrays()).containsExactly(x);
        }
    }
}
