package training.lora.trainer.train.objective;

import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class TokenRegularizerTest {
    /** src/test/goldens/token_goldens.py made them, by torch's autograd. */
    private static final Path GOLDENS = Path.of("src/test/resources/token-goldens/regularizers.safetensors");

    @ParameterizedTest
    @CsvSource({"deviation, 0.5, 0", "covariance, 0, 0.5"})
    void gradientsAreAddedAsAutogradHasThem(String loss, double deviation, double covariance) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            NDArray table = Randomness.normal(manager, 7, new Shape(40, 12)).mul(0.3);
            NDArray embeddings = Randomness.normal(manager, 8, new Shape(3, 12)).mul(0.5);
            NDArray gradient = manager.ones(embeddings.getShape());
            try (TokenRegularizer regularizer = new TokenRegularizer(table, deviation, covariance, manager)) {
                regularizer.addTo(gradient, embeddings, manager);
            }

            assertClose(gradient.sub(1), golden.read(loss, manager).mul(0.5), 1e-4, loss);
        }
    }
}
