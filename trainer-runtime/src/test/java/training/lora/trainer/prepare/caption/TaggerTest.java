package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import training.lora.api.CaptionsSpec;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;
import training.lora.trainer.sample.Picture;

/** A tagger whose tags are the mean blue, green and red of a picture. */
class TaggerTest {
    private static final Path MODEL = Goldens.FOLDER.resolve("tagger");

    @TempDir
    Path folder;

    private String caption(String tags, double blue, double green, double red) throws IOException {
        return caption(tags, 32, 32, blue, green, red);
    }

    private String caption(String tags, int width, int height, double blue, double green, double red)
            throws IOException {
        Path file = folder.resolve("picture.png");
        Picture.ofBgr(new Mat(height, width, CvType.CV_8UC3, new Scalar(255 * blue, 255 * green, 255 * red)))
                .write(file);
        CaptionsSpec captions = Json.STRICT_YAML.readValue("{tags: {%s}}".formatted(tags), CaptionsSpec.class);
        Item item = ItemBuilder.builder()
                .dataset(Json.STRICT_YAML.readValue("{uri: data}", DatasetSpec.class))
                .name("main/picture.png")
                .file(file)
                .caption("")
                .invisible(0)
                .build();
        try (Tagger tagger = Tagger.open(MODEL, "spec.preparation.captions.model.uri", captions)) {
            return tagger.captions(List.of(new CroppedPicture(item, file))).get(0);
        }
    }

    @Test
    void tagsAboveTheirThresholdsAreWrittenAsPeopleDoWithoutRatings() throws IOException {
        assertThat(caption("", 0.4, 0.2, 0)).isEqualTo("blue sky");
        assertThat(caption("", 0.4, 0.5, 0)).isEqualTo("green grass, blue sky");
        assertThat(caption("order: Name", 0.4, 0.5, 0)).isEqualTo("blue sky, green grass");
        assertThat(caption("threshold: 0.15", 0.4, 0.2, 0)).isEqualTo("blue sky, green grass, o_o");
    }

    @Test
    void aCharacterComesFirstAndHasAThresholdOfItsOwn() throws IOException {
        assertThat(caption("", 0, 0, 1)).isEqualTo("ruby (a, b), red rose");
        assertThat(caption("", 0, 0, 0.9)).isEqualTo("red rose");
        assertThat(caption("characterThreshold: 0.5", 0, 0, 0.9)).isEqualTo("ruby (a, b), red rose");
    }

    @Test
    void whatIsExcludedStaysOutHoweverItIsSpelt() throws IOException {
        assertThat(caption("exclude: [Red_Rose, 'ruby (a, b)']", 0, 0, 1)).isEmpty();
    }

    @Test
    void aPictureIsPaddedWithWhiteToASquare() throws IOException {
        // Half of it is black, half white.
        assertThat(caption("threshold: 0.45", 16, 32, 0, 0, 0)).isEqualTo("blue sky, green grass, red rose, o_o");
        assertThat(caption("threshold: 0.55", 16, 32, 0, 0, 0)).isEmpty();
    }

    @Test
    void aModelOfAnotherKindIsRefusedByItsField() throws IOException {
        CaptionsSpec captions = Json.STRICT_YAML.readValue("{}", CaptionsSpec.class);
        String field = "spec.preparation.captions.model.uri";

        assertThatThrownBy(() -> Tagger.open(folder, field, captions))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessageContaining("`" + field + "` must name a tagger with selected_tags.csv");

        Files.copy(MODEL.resolve("selected_tags.csv"), folder.resolve("selected_tags.csv"));
        Files.copy(Path.of("src/test/resources/onnx-goldens/arrays.onnx"), folder.resolve("model.onnx"));
        assertThatThrownBy(() -> Tagger.open(folder, field, captions))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("`" + field + "` must name a tagger");
    }
}
