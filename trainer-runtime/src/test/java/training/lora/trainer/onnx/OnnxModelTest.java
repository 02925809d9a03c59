package training.lora.trainer.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** On the graph that src/test/goldens/onnx_goldens.py made. */
class OnnxModelTest {
    private static final Path ARRAYS = Path.of("src/test/resources/onnx-goldens/arrays.onnx");
    private static final String FIELD = "spec.preparation.mask.model.uri";

    @TempDir
    Path folder;

    private static Map<String, OnnxArray> inputs(boolean flag, float... x) {
        int rows = x.length / 3;
        long[] ids = new long[rows];
        java.util.Arrays.setAll(ids, i -> i + 1L << 40);
        return Map.of(
                "x", new OnnxArray.Floats(x, rows, 3),
                "ids", new OnnxArray.Longs(ids, rows),
                "flag", new OnnxArray.Booleans(new boolean[] {flag}, 1));
    }

    @Test
    void arraysOfEachTypeGoInAndComeOut() {
        try (OnnxModel model = OnnxModel.open(FIELD, ARRAYS)) {
            assertThat(model.inputs()).containsExactlyInAnyOrder("x", "ids", "flag");
            assertThat(model.inputShape("x")).containsExactly(-1, 3);
            assertThat(model.inputShape("z")).isNull();

            OnnxOutputs out = model.run(inputs(true, 1, -2, 0.1f, 4, 5, 6), List.of("y", "half", "twice"));

            assertThat(out.get("y").floats().data()).containsExactly(1, -2, 0.1f, 4, 5, 6);
            assertThat(out.get("y").shape()).containsExactly(2, 3);
            assertThat(out.get("half").floats().data()).containsExactly(1, -2, 0.099975586f, 4, 5, 6);
            assertThat(((OnnxArray.Longs) out.get("twice")).data()).containsExactly(2L << 40, 4L << 40);
            assertThat(model.run(inputs(false, 1, 2, 3), "y").data()).containsExactly(-1, -2, -3);
        }
    }

    /** As a cache of keys and values is before the first token. */
    @Test
    void arraysMayBeEmpty() {
        try (OnnxModel model = OnnxModel.open(FIELD, ARRAYS)) {
            assertThat(model.run(inputs(true), "y").shape()).containsExactly(0, 3);
        }
    }

    @Test
    void anArrayThatIsHeldGoesIntoManyRuns() {
        try (OnnxModel model = OnnxModel.open(FIELD, ARRAYS);
                OnnxHeld held = OnnxModel.hold(new OnnxArray.Floats(new float[] {1, 2, 3}, 1, 3))) {
            for (boolean flag : List.of(true, false)) {
                Map<String, OnnxArray> inputs = new java.util.HashMap<>(inputs(flag, 0, 0, 0));
                inputs.put("x", held);

                assertThat(model.run(inputs, "y").data())
                        .containsExactly(flag ? new float[] {1, 2, 3} : new float[] {-1, -2, -3});
            }
            assertThat(held.shape()).containsExactly(1, 3);
            try (OnnxKept kept = model.keep(inputs(true, 4, 5, 6), List.of("y"))) {
                Map<String, OnnxArray> inputs = new java.util.HashMap<>(inputs(false, 0, 0, 0));
                inputs.put("x", kept.held("y"));

                assertThat(model.run(inputs, "y").data()).containsExactly(-4, -5, -6);
                assertThat(kept.copy("y").floats().data()).containsExactly(4, 5, 6);
                assertThatThrownBy(() -> kept.copy("half")).isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void fileThatIsNoOnnxModelIsNamedWithItsField() throws IOException {
        Path file = Files.writeString(folder.resolve("model.onnx"), "<html>no model</html>");

        assertThatThrownBy(() -> OnnxModel.open(FIELD, file))
                .hasMessageStartingWith(
                        "`" + FIELD + "` must name an ONNX model, but " + file + " can't be opened as one: ")
                .extracting(e -> ((TrainerException) e).reason())
                .isEqualTo(Reason.InvalidConfiguration);
        assertThatThrownBy(() -> OnnxModel.open(FIELD, folder.resolve("none.onnx")))
                .hasMessageContaining("none.onnx can't be opened as one");
    }

    @Test
    void modelOfOtherInputsOrOutputsIsRefused() {
        try (OnnxModel model = OnnxModel.open(FIELD, ARRAYS)) {
            model.require("a graph of arrays", List.of("x", "ids", "flag"), List.of("y"));

            assertThatThrownBy(() -> model.require("a CLIPSeg model", List.of("pixel_values"), List.of("logits")))
                    .hasMessage(
                            "`%s` must name a CLIPSeg model: %s must have inputs pixel_values and outputs logits, but it has flag, ids, x and half, other, twice, y"
                                    .formatted(FIELD, ARRAYS));
            assertThatThrownBy(() -> model.require("a graph of arrays", List.of("x", "ids", "flag"), List.of("z")))
                    .isInstanceOf(TrainerException.class);
        }
    }

    @Test
    void inputsOfAnotherShapeOrTypeAreRefused() {
        try (OnnxModel model = OnnxModel.open(FIELD, ARRAYS)) {
            Map<String, OnnxArray> wrong = Map.of(
                    "x", new OnnxArray.Floats(new float[4], 1, 4),
                    "ids", new OnnxArray.Longs(new long[1], 1),
                    "flag", new OnnxArray.Booleans(new boolean[1], 1));

            assertThatThrownBy(() -> model.run(wrong, "y"))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageStartingWith(
                            "`" + FIELD + "` must name a model of the kind that it is for, but " + ARRAYS);
            assertThatThrownBy(() -> model.run(inputs(true, 1, 2, 3), "twice"))
                    .hasMessageContaining("float numbers as output twice");
        }
    }

    @Test
    void graphInFullPrecisionIsChosenWithWhatDescribesIt() {
        List<String> xenova = List.of(
                "README.md",
                ".gitattributes",
                "config.json",
                "merges.txt",
                "onnx/model.onnx",
                "onnx/model.onnx_data",
                "onnx/model_fp16.onnx",
                "onnx/model_quantized.onnx",
                "tokenizer.json",
                "selected_tags.csv");

        assertThat(OnnxFiles.needed(xenova))
                .containsExactly(
                        "config.json",
                        "merges.txt",
                        "onnx/model.onnx",
                        "onnx/model.onnx_data",
                        "selected_tags.csv",
                        "tokenizer.json");
        assertThat(OnnxFiles.needed(List.of("face_recognition_sface_2021dec.onnx", "LICENSE")))
                .containsExactly("face_recognition_sface_2021dec.onnx");
        assertThatThrownBy(() -> OnnxFiles.needed(List.of("a.onnx", "b.onnx")))
                .hasMessage("must name one of its ONNX models: it has a.onnx, b.onnx");
        assertThatThrownBy(() -> OnnxFiles.needed(List.of("model.safetensors")))
                .hasMessage("must hold an ONNX model (model.onnx), but holds none");
    }
}
