package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.SelectionMetric;
import training.lora.trainer.dataset.Concepts.Concept;

/**
 * Real trainings whose pictures a person looked at before there was this score (docs/decisions/0013-score.md): the bundled
 * CLIP's vectors of their pictures and texts, in whole numbers up to 127, the checkpoints that the person would
 * take, and the one that the score does.
 */
class ScoreGoldensTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "text-encoder-1e-3",
                "text-encoder-3e-4",
                "text-encoder-240-steps",
                "two-concepts-1e-3",
                "two-concepts-2e-3",
                "two-concepts-3e-4",
                "blue-ink-1e-3",
                "blue-ink-3e-3",
                "fluent-3e-3",
                "fluent-3e-4"
            })
    void scoreChoosesWhatAPersonChose(String run) throws IOException {
        JsonNode golden = golden(run);

        assertThat(best(golden)).isEqualTo(golden.get("score").asInt()).isIn(person(golden));
    }

    /** A change that mends one of these moves it to those above. */
    @ParameterizedTest
    @ValueSource(strings = {"text-encoder-3e-3", "fluent-1e-3"})
    void knownDifferencesAreAsTheyAreWrittenDown(String run) throws IOException {
        JsonNode golden = golden(run);

        assertThat(best(golden)).isEqualTo(golden.get("score").asInt()).isNotIn(person(golden));
    }

    /** Whatever the prompt, each picture is the same training picture: it is as like them as can be, and has kept nothing. */
    @ParameterizedTest
    @ValueSource(strings = {"text-encoder-3e-4", "fluent-3e-3"})
    void trainingPictureThatIgnoresThePromptsHasKeptNothing(String run) throws IOException {
        JsonNode golden = golden(run);
        PromptTexts texts = new PromptTexts(strings(golden.get("texts")), vectors(golden.get("textVectors")));
        Embeddings base = vectors(golden.get("pictures").get("0"));
        ConceptShare concept = concept(golden.get("concepts").get(0));

        for (double[] training : concept.training().rows()) {
            double[][] same = new double[base.size()][];
            Arrays.fill(same, training);

            assertThat(concept.measure(new Embeddings(same), base, texts)
                            .parts()
                            .kept())
                    .isLessThan(1e-9);
        }
    }

    private static JsonNode golden(String run) throws IOException {
        return Json.MAPPER.readTree(
                Path.of("src/test/resources/score-goldens", run + ".json").toFile());
    }

    private static Object[] person(JsonNode golden) throws IOException {
        return Json.MAPPER.treeToValue(golden.get("person"), Integer[].class);
    }

    /** The checkpoint that the score chooses. */
    private static int best(JsonNode golden) {
        PromptTexts texts = new PromptTexts(strings(golden.get("texts")), vectors(golden.get("textVectors")));
        Map<Integer, Embeddings> pictures = new LinkedHashMap<>();
        golden.get("pictures")
                .fields()
                .forEachRemaining(e -> pictures.put(Integer.valueOf(e.getKey()), vectors(e.getValue())));
        Embeddings base = Objects.requireNonNull(pictures.remove(0));
        List<ConceptShare> concepts = new ArrayList<>();
        golden.get("concepts").forEach(c -> concepts.add(concept(c)));

        Map<Integer, ConceptMetrics> measured = new LinkedHashMap<>();
        pictures.forEach((step, vectors) -> measured.put(
                step,
                ConceptMetrics.mean(concepts.stream()
                        .map(c -> c.measure(vectors, base, texts))
                        .toList())));
        return measured.entrySet().stream()
                .max(Map.Entry.comparingByValue(ConceptMetrics.by(SelectionMetric.Score)))
                .orElseThrow()
                .getKey();
    }

    private static ConceptShare concept(JsonNode concept) {
        return new ConceptShare(
                new Concept(concept.get("name").asText(), null, List.of()),
                numbers(concept.get("prompts")),
                numbers(concept.get("others")),
                vectors(concept.get("training")),
                new PromptTexts(strings(concept.get("captions")), vectors(concept.get("captionVectors"))));
    }

    private static Embeddings vectors(JsonNode rows) {
        return new Embeddings(strings(rows).stream().map(ScoreGoldensTest::unit).toArray(double[][]::new));
    }

    private static double[] unit(String row) {
        byte[] bytes = Base64.getDecoder().decode(row);
        double[] values = new double[bytes.length];
        double squares = 0;
        for (int k = 0; k < values.length; k++) {
            values[k] = bytes[k];
            squares += values[k] * values[k];
        }
        for (int k = 0; k < values.length; k++) {
            values[k] /= Math.sqrt(squares);
        }
        return values;
    }

    private static List<String> strings(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false)
                .map(JsonNode::asText)
                .toList();
    }

    private static int[] numbers(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }
}
