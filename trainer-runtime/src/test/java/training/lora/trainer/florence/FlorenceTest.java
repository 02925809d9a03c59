package training.lora.trainer.florence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;

/** A random tiny Florence-2, in the files of the published export, against transformers. */
class FlorenceTest {
    private static final Path FOLDER = Goldens.FOLDER.resolve("florence");
    private static final String FIELD = "spec.preparation.captions.model.uri";
    private static final String QUESTION = "Describe in detail what is shown in the image.";

    static {
        OpenCvLibrary.load();
    }

    private final JsonNode texts = read();

    @TempDir
    Path folder;

    private static JsonNode read() {
        try {
            return Json.MAPPER.readTree(FOLDER.resolve("texts.json").toFile());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Mat picture(int number) throws IOException {
        byte[] bytes = Files.readAllBytes(FOLDER.resolve("picture-%d.png".formatted(number)));
        return Imgcodecs.imdecode(new MatOfByte(bytes), Imgcodecs.IMREAD_COLOR);
    }

    private static long[] longs(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToLong(JsonNode::asLong)
                .toArray();
    }

    private static void assertRow(NDArray expected, int row, float[] actual) {
        Goldens.assertClose(expected.getManager().create(actual), expected.get(row), 1e-4, "logits after token " + row);
    }

    @Test
    void whatIsSeenIsTransformers() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("florence", manager);
                Florence model = Florence.open(FIELD, FOLDER)) {
            NDArray expected = golden.get("features");
            NDArray actual = manager.create(model.features(picture(0)).data(), expected.getShape());

            golden.assertMatches(actual, "features");
        }
    }

    @Test
    void logitsOfEachStepWithTheCacheAreTransformersAlsoInABatchAndAfterABeginning() throws IOException {
        long[] forced = longs(texts.path("forced"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("florence", manager);
                Florence model = Florence.open(FIELD, FOLDER)) {
            NDArray logits = golden.get("logits");
            Florence.Seen seen = model.see(List.of(picture(1), picture(0)), QUESTION);
            try (FlorenceText text = model.begin(seen, new long[0], 1)) {
                for (int i = 0; i < forced.length; i++) {
                    float[][] next = text.next(new long[] {forced[i], forced[i]});
                    assertRow(logits, i, next[1]);
                    assertThat(next[0]).isNotEqualTo(next[1]);
                }
            }
            try (FlorenceText text = model.begin(seen.only(1), Arrays.copyOf(forced, 3), 1)) {
                for (int i = 3; i < forced.length; i++) {
                    assertRow(logits, i, text.next(new long[] {forced[i]})[0]);
                }
            }
        }
    }

    @Test
    void textsAboutAPictureGoOnFromThoseThatArePicked() throws IOException {
        long[] forced = longs(texts.path("forced"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("florence", manager);
                Florence model = Florence.open(FIELD, FOLDER)) {
            NDArray logits = golden.get("logits");
            Florence.Seen seen = model.see(List.of(picture(0)), QUESTION);
            try (FlorenceText text = model.begin(seen, new long[0], 3)) {
                text.next(new long[] {forced[0], forced[0], forced[0]});
                text.next(new long[] {50, forced[1], 60});
                text.pick(new long[] {1, 2, 1});
                float[][] next = text.next(new long[] {forced[2], forced[2], forced[2]});

                assertRow(logits, 2, next[0]);
                assertThat(next[2]).isEqualTo(next[0]);
                assertThat(next[1]).isNotEqualTo(next[0]);
                assertThatThrownBy(() -> text.next(new long[1])).isInstanceOf(IllegalArgumentException.class);
            }
            Florence.Seen two = model.see(List.of(picture(0), picture(1)), QUESTION);
            try (FlorenceText text = model.begin(two, new long[0], 2)) {
                text.next(new long[] {2, 2, 2, 2});

                assertThatThrownBy(() -> text.pick(new long[] {0, 2, 2, 3}))
                        .isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void questionsAreTokenisedAsTransformersDoes() {
        try (FlorenceTokenizer tokenizer = FlorenceTokenizer.open(FIELD, FOLDER)) {
            assertThat(tokenizer.whole(QUESTION))
                    .containsExactly(longs(texts.path("asked").path("Detailed")));
            assertThat(tokenizer.part("a photo of")).containsExactly(longs(texts.path("beginning")));
            assertThat(tokenizer.part("")).isEmpty();
            assertThat(tokenizer.text(tokenizer.whole("A dog, and Crème brûlée.")))
                    .isEqualTo("A dog, and Crème brûlée.");
        }
    }

    private void copy(String... but) throws IOException {
        try (Stream<Path> files = Files.walk(FOLDER)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = FOLDER.relativize(file).toString();
                if (!List.of(but).contains(name)) {
                    Path to = folder.resolve(name);
                    Files.createDirectories(to.getParent());
                    Files.copy(file, to);
                }
            }
        }
    }

    private void assertRefused(String... message) {
        assertThatThrownBy(() -> Florence.open(FIELD, folder).close())
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .satisfies(e ->
                        assertThat(e.getMessage()).contains("`" + FIELD + "`").contains(message));
    }

    @Test
    void aFolderWithoutOneOfTheFilesIsRefusedByItsName() throws IOException {
        copy("onnx/encoder_model.onnx", "tokenizer.json");

        assertRefused("must hold Florence-2's vision_encoder.onnx", "encoder_model.onnx is missing");
        assertThatThrownBy(() -> FlorenceFiles.all(FIELD, folder))
                .hasMessageContaining("encoder_model.onnx is missing");

        Files.copy(FOLDER.resolve("onnx/encoder_model.onnx"), folder.resolve("onnx/encoder_model.onnx"));
        assertRefused("tokenizer.json is missing");
    }

    @Test
    void filesOfAnotherKindAreRefusedByTheirNames() throws IOException {
        copy("onnx/vision_encoder.onnx", "onnx/decoder_model_merged.onnx", "tokenizer.json", "generation_config.json");
        Path vision = folder.resolve("onnx/vision_encoder.onnx");
        Path decoder = folder.resolve("onnx/decoder_model_merged.onnx");
        Path tokenizer = folder.resolve("tokenizer.json");
        Path generation = folder.resolve("generation_config.json");
        Files.writeString(vision, "none");
        Files.copy(FOLDER.resolve("onnx/encoder_model.onnx"), decoder);
        Files.writeString(tokenizer, "[]");
        Files.writeString(generation, "{");

        assertRefused("must have a generation_config.json in JSON");
        Files.writeString(generation, "{}");
        assertRefused("must have a tokenizer as transformers writes it", "tokenizer.json");
        Files.delete(tokenizer);
        Files.copy(FOLDER.resolve("tokenizer.json"), tokenizer);
        assertRefused("must name an ONNX model", "vision_encoder.onnx");
        Files.delete(vision);
        Files.copy(FOLDER.resolve("onnx/embed_tokens.onnx"), vision);
        assertRefused("must name a Florence-2 model as onnx-community exports it", "image_features", "input_ids");
        Files.delete(vision);
        Files.copy(FOLDER.resolve("onnx/vision_encoder.onnx"), vision);
        assertRefused(
                "decoder_model_merged.onnx must have inputs", "past_key_values.0.decoder.key", "use_cache_branch");
    }

    @Test
    void whatIsNotSaidIsAsInThePublishedOnesAndNullIsOff() throws IOException {
        FlorenceSettings published = FlorenceSettings.read(FIELD, folder);
        assertThat(published)
                .isEqualTo(FlorenceSettingsBuilder.builder()
                        .start(2)
                        .begin(0)
                        .first(0)
                        .end(2)
                        .last(2)
                        .pad(1)
                        .noRepeat(3)
                        .early(true)
                        .longest(1024)
                        .build());

        Files.writeString(
                folder.resolve("config.json"),
                "{\"text_config\": {\"no_repeat_ngram_size\": 2, \"early_stopping\": false, \"eos_token_id\": 7}}");
        Files.writeString(
                folder.resolve("generation_config.json"),
                "{\"forced_bos_token_id\": null, \"no_repeat_ngram_size\": 4}");
        assertThat(FlorenceSettings.read(FIELD, folder))
                .isEqualTo(FlorenceSettingsBuilder.builder(published)
                        .first(-1)
                        .noRepeat(4)
                        .early(false)
                        .end(7)
                        .build());
    }

    @Test
    void ofTheFormsOfAGraphTheOneInFullPrecisionIsFetchedOrTheOnlyOne() {
        List<String> all = new ArrayList<>(List.of(
                "README.md",
                "config.json",
                "generation_config.json",
                "merges.txt",
                "preprocessor_config.json",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "vocab.json"));
        for (String graph : List.of(
                "vision_encoder",
                "embed_tokens",
                "encoder_model",
                "decoder_model",
                "decoder_model_merged",
                "decoder_with_past_model")) {
            for (String form : List.of("", "_bnb4", "_fp16", "_int8", "_q4", "_q4f16", "_quantized", "_uint8")) {
                all.add("onnx/%s%s.onnx".formatted(graph, form));
            }
        }

        assertThat(FlorenceFiles.needed(all))
                .containsExactly(
                        "config.json",
                        "generation_config.json",
                        "onnx/decoder_model_merged.onnx",
                        "onnx/embed_tokens.onnx",
                        "onnx/encoder_model.onnx",
                        "onnx/vision_encoder.onnx",
                        "preprocessor_config.json",
                        "tokenizer.json");
        assertThat(FlorenceFiles.needed(List.of(
                        "decoder_model_merged_q4.onnx",
                        "embed_tokens.onnx",
                        "embed_tokens.onnx_data",
                        "encoder_model.onnx",
                        "encoder_model_q4.onnx",
                        "tokenizer.json",
                        "vision_encoder_fp16.onnx")))
                .containsExactly(
                        "decoder_model_merged_q4.onnx",
                        "embed_tokens.onnx",
                        "embed_tokens.onnx_data",
                        "encoder_model.onnx",
                        "tokenizer.json",
                        "vision_encoder_fp16.onnx");
        assertThatThrownBy(() -> FlorenceFiles.needed(
                        List.of("tokenizer.json", "vision_encoder_fp16.onnx", "vision_encoder_q4.onnx")))
                .hasMessage(
                        "must hold Florence-2's vision_encoder.onnx, or it in one other form, but holds vision_encoder_fp16.onnx, vision_encoder_q4.onnx");
    }
}
