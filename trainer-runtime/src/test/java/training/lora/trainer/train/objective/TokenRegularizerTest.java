package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class TokenRegularizerTest {
    /** src/test/goldens/token_goldens.py made them, by torch's autograd. */
    private static final Path GOLDENS = Path.of("src/test/resources/token-goldens/regularizers.safetensors");

    @ParameterizedTest
    @CsvSource({"deviation, 0.5, 0, Deviation", "covariance, 0, 0.5, Covariance"})
    void gradientsAreAddedAsAutogradHasThem(String loss, double deviation, double covariance, AddedLoss name) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            NDArray table = Randomness.normal(manager, 7, new Shape(40, 12)).mul(0.3);
            NDArray embeddings = Randomness.normal(manager, 8, new Shape(3, 12)).mul(0.5);
            NDArray gradient = manager.ones(embeddings.getShape());
            try (TokenRegularizer regularizer = new TokenRegularizer(table, deviation, covariance, manager)) {
                Map<AddedLoss, NDArray> losses = regularizer.addTo(gradient, embeddings, manager);

                assertThat(losses).containsOnlyKeys(name);
                assertSlope(regularizer, embeddings, gradient.sub(1));
            }

            assertClose(gradient.sub(1), golden.read(loss, manager).mul(0.5), 1e-4, loss);
        }
    }

    /** The loss grows along its gradient as much as this says. */
    private static void assertSlope(TokenRegularizer regularizer, NDArray at, NDArray gradient) {
        NDArray step = gradient.mul(0.02 / gradient.norm().getFloat());
        Map<AddedLoss, NDArray> more = regularizer.addTo(gradient.duplicate(), at.add(step), at.getManager());
        Map<AddedLoss, NDArray> less = regularizer.addTo(gradient.duplicate(), at.sub(step), at.getManager());
        float grown = value(more) - value(less);
        assertThat(grown)
                .isCloseTo(0.04f * gradient.norm().getFloat(), withinPercentage(3))
                .isPositive();
    }

    private static float value(Map<AddedLoss, NDArray> one) {
        return one.values().iterator().next().getFloat();
    }
}
