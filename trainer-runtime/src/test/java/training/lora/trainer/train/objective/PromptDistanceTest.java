package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class PromptDistanceTest {
    /** src/test/goldens/loss_goldens.py made them, by torch's autograd. */
    private static final Path GOLDENS = Path.of("src/test/resources/loss-goldens/losses.safetensors");

    @Test
    void valueAndGradientsAreAutograds() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            TextEmbedding embedding = embedding(9, 10, manager);

            PromptDistance.Value value = PromptDistance.of(embedding, embedding(11, 12, manager), 0.2, manager);

            double loss = golden.read("distance", manager).getFloat();
            assertThat(value.read()).isCloseTo(loss, within(1e-5 * loss));
            assertClose(value.gradient().context(), golden.read("distanceContext", manager), 1e-5, "context");
            assertClose(
                    Objects.requireNonNull(value.gradient().pooled()),
                    golden.read("distancePooled", manager),
                    1e-5,
                    "pooled");
        }
    }

    private static TextEmbedding embedding(long context, long pooled, NDManager manager) {
        return new TextEmbedding(
                Randomness.normal(manager, context, new Shape(2, 9, 16)),
                Randomness.normal(manager, pooled, new Shape(2, 12)));
    }
}
