package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.PreparedDataset;

/** Masks that models make, in a whole preparation. */
class ModelMasksRunTest {
    private static final String SEGMENT = "preparation.mask.source=Segment";

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 1, adapter: {rank: 2}");
    }

    private static String model(String name) {
        return "preparation.mask.model.uri="
                + Goldens.BUNDLED.resolve(name).toAbsolutePath().normalize();
    }

    private Ran prepare(String... settings) {
        List<String> arguments = new ArrayList<>();
        for (String setting : settings) {
            arguments.addAll(List.of("--set", setting));
        }
        return tiny.run("prepare", arguments.toArray(String[]::new));
    }

    private float[][] masks() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                PreparedDataset data = PreparedDataset.open(tiny.workspace().resolve("dataset"))) {
            float[][] masks = new float[data.size()][];
            Arrays.setAll(masks, i -> data.mask(i, manager).toFloatArray());
            return masks;
        }
    }

    @Test
    void segmentedPicturesAreMaskedByPromptsAndAnewByOthers() {
        String[] settings = {SEGMENT, model("emoji-clipseg"), "preparation.mask.scoring=Sigmoid", ""};
        settings[3] = "preparation.mask.prompts=[bat, crab, pear]";
        assertThat(prepare(settings).code()).isZero();
        float[][] first = masks();
        assertThat(prepare(settings).code()).isZero();
        assertThat(masks()).isDeepEqualTo(first);

        settings[3] = "preparation.mask.prompts=[pear]";
        assertThat(prepare(settings).code()).isZero();

        for (float[] mask : first) {
            assertThat(mask).doesNotContain(0f);
            assertThat(mask.length).isEqualTo(64);
        }
        assertThat(Arrays.deepToString(masks())).isNotEqualTo(Arrays.deepToString(first));
    }

    @Test
    void segmentationIsRefusedWhereNothingSaysByWhatModelOrWords() throws IOException {
        Ran without = prepare(SEGMENT);
        Ran wordless = prepare(SEGMENT, model("emoji-clipseg"));
        Files.writeString(folder.resolve("data/LICENSE"), "no model");
        Ran other = prepare(SEGMENT, "preparation.mask.model.uri=data/LICENSE", "preparation.mask.prompts=[bat]");

        assertThat(List.of(without.code(), wordless.code(), other.code()))
                .containsOnly(Reason.InvalidConfiguration.exitCode());
        assertThat(without.error()).contains("`spec.preparation.mask.model.uri` must name a CLIPSeg model");
        assertThat(wordless.error())
                .contains("`spec.preparation.mask.prompts` must say what to look for in data set \"main\"");
        assertThat(other.error()).contains("`spec.preparation.mask.model.uri` must name an ONNX model, but ");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void faceIsMaskedAndPicturesWithoutOneCountAsAWholeAndAreTold() throws IOException {
        Files.copy(
                Goldens.BUNDLED.resolve("fluent-style/blueberries.png"),
                folder.resolve("data/bat.png"),
                StandardCopyOption.REPLACE_EXISTING);
        Files.copy(
                Path.of("src/test/resources/faces/astronaut.jpg"),
                folder.resolve("data/crab.png"),
                StandardCopyOption.REPLACE_EXISTING);

        Ran ran = prepare("preparation.mask.source=Face", model("faces"));

        assertThat(ran.code()).as(ran.error()).isZero();
        float[][] masks = masks();
        assertThat(masks[0]).containsOnly(1);
        assertThat(masks[2]).containsOnly(1);
        // 8 x 8 places; the face is in the upper half, left of the middle.
        assertThat(masks[1][1 * 8 + 3]).isGreaterThan(0.8f);
        assertThat(masks[1][7 * 8 + 7]).isBetween(0.04f, 0.06f);
        assertThat(ran.error())
                .contains(
                        "`spec.preparation.mask` finds nothing in 2 of 3 pictures, which count as a whole: main/bat.png, main/pear.png");
    }
}
