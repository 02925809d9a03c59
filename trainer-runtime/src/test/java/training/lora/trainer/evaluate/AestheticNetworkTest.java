package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Eden's way of scoring; src/test/goldens/aesthetic_goldens.py made the network and the scores. */
class AestheticNetworkTest {
    private static final Path GOLDENS = Path.of("src/test/resources/helper-goldens");

    @Test
    void scoresArePillowsAndOnnxRuntimes() throws IOException {
        Map<String, Double> golden =
                Json.MAPPER.readValue(GOLDENS.resolve("aesthetic.json").toFile(), new TypeReference<>() {});
        List<Path> pictures =
                golden.keySet().stream().map(name -> Path.of("..", name)).toList();

        double[] scores = new AestheticNetwork(GOLDENS.resolve("aesthetic.onnx")).of(pictures);

        assertThat(scores)
                .hasSize(3)
                .containsExactly(golden.values().stream().mapToDouble(d -> d).toArray(), within(1e-4));
    }

    @Test
    void networkOfAnotherKindIsRefused() {
        assertThatThrownBy(() -> new AestheticNetwork(GOLDENS.resolve("sface.onnx")))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessageContaining("`spec.evaluation.aesthetic.uri`")
                .hasMessageContaining("[1, 3, 224, 224]");
    }
}
