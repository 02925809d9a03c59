package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.AestheticSpec.Activation;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.SafeTensorsWriter;

class AestheticHeadTest {
    @TempDir
    Path folder;

    @Test
    void oneLinearLayerWithoutAPlaceIsAHead() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Path file = folder.resolve("linear.safetensors");
            SafeTensorsWriter.write(
                    file,
                    Map.of(
                            "weight", manager.create(new float[] {1, 2, 3}, new Shape(1, 3)),
                            "bias", manager.create(new float[] {0.5f}, new Shape(1))),
                    Map.of());

            AestheticHead head = AestheticHead.read(file, Activation.None, 3, manager);

            assertThat(head.of(new Embeddings(new double[][] {{1, 0, 0}, {0, 0.6, 0.8}})))
                    .containsExactly(new double[] {1.5, 4.1}, within(1e-6));
        }
    }

    @Test
    void headOfAnotherClipModelIsRefusedWithItsShape() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Path file = Path.of("src/test/resources/metrics-goldens/head.safetensors");

            assertThatThrownBy(() -> AestheticHead.read(file, Activation.None, 64, manager))
                    .isInstanceOfSatisfying(
                            TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                    .hasMessageContaining("`spec.evaluation.aesthetic.uri` must name linear layers")
                    .hasMessageContaining("layers.0.weight has the shape [5, 16], where vectors have 64 numbers");
        }
    }
}
