package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.PromptSpec;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.sample.Picture;

class ClipMetricsTest {
    private static final Path BUNDLED = Path.of("../examples/bundled");

    /** Expected values: transformers' CLIPModel, by src/test/goldens/emoji_goldens.py. */
    @Test
    void metricsAreThoseOfTransformers() throws Exception {
        JsonNode expected = Json.MAPPER
                .readTree(
                        Path.of("src/test/resources/emoji-goldens/values.json").toFile())
                .get("clip");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Clip clip = Clip.open(BUNDLED.resolve("emoji-clip"), manager)) {
            NDArray pictures = clip.embedImages(pictures(manager, "bat", "crab", "wolf"));
            NDArray training = clip.embedImages(pictures(manager, "pear", "peach", "taco", "zebra"));
            NDArray prompts = clip.embedTexts(
                    manager, List.of("an emoji of a bat", "an emoji of a crab", "a wolf in noto style"));

            ClipMetrics metrics =
                    ClipMetrics.of(Embeddings.of(pictures), Embeddings.of(prompts), Embeddings.of(training));

            assertThat(metrics.textAlignment())
                    .isCloseTo(expected.get("textAlignment").asDouble(), within(1e-5));
            assertThat(metrics.trainingImageAlignment())
                    .isCloseTo(expected.get("trainingImageAlignment").asDouble(), within(1e-5));
            assertThat(metrics.styleAlignment())
                    .isCloseTo(expected.get("styleAlignment").asDouble(), within(1e-5));
            assertThat(metrics.diversity()).isCloseTo(expected.get("diversity").asDouble(), within(1e-5));
        }
    }

    private static NDArray pictures(NDManager manager, String... names) {
        return Picture.toBatch(
                Stream.of(names)
                        .map(n -> Picture.read(BUNDLED.resolve("fluent-style/" + n + ".png")))
                        .toList(),
                manager);
    }

    @Test
    void otherSizesAreScaledAndCroppedToTheCentre() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray wide = manager.zeros(new ai.djl.ndarray.types.Shape(1, 3, 64, 128));
            wide.set(new ai.djl.ndarray.index.NDIndex(":, :, :, 32:96"), 1);

            NDArray square = ImageCrop.toSquare(wide, 32);

            assertThat(square.getShape().getShape()).containsExactly(1, 3, 32, 32);
            assertThat(square.get(":, :, 4:28, 4:28").min().getFloat()).isCloseTo(1, within(1e-5f));
        }
    }

    @Test
    void seedsOfAPromptsPicturesCountUp() {
        assertThat(CheckpointMeter.repeated(List.of(new PromptSpec("a", "", 1000L), new PromptSpec("b", "", 1001L)), 2))
                .containsExactly(
                        new PromptSpec("a", "", 1000L),
                        new PromptSpec("a", "", 1001L),
                        new PromptSpec("b", "", 1001L),
                        new PromptSpec("b", "", 1002L));
    }
}
