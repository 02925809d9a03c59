package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class PromptNormTest {
    /** src/test/goldens/loss_goldens.py made them, by torch's autograd. */
    private static final Path GOLDENS = Path.of("src/test/resources/loss-goldens/losses.safetensors");

    @Test
    void gradientIsAutograds() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            NDArray context = Randomness.normal(manager, 7, new Shape(3, 9, 16));

            LossTerm.Value value = new PromptNorm(5.5).of(context, 0.5, manager);

            double mean = context.get(":, 2:").norm(new int[] {2}).mean().getFloat();
            assertThat(value.loss().getFloat())
                    .isCloseTo((float) (0.5 * (mean - 5.5) * (mean - 5.5)), withinPercentage(0.1))
                    .isPositive();
            assertClose(value.gradient(), golden.read("promptNorm", manager).mul(0.5), 1e-5, "promptNorm");
        }
    }
}
