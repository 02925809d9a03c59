package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import training.lora.api.AestheticSpec.Activation;
import training.lora.api.Json;
import training.lora.api.ScoreWeightsSpec;
import training.lora.trainer.dataset.Concepts.Concept;
import training.lora.trainer.sample.Picture;

/** Every metric equals what numpy alone makes of the same vectors and pictures (src/test/goldens/metrics_goldens.py). */
class MetricsGoldensTest {
    private static final Path FOLDER = Path.of("src/test/resources/metrics-goldens");

    private static final Offset<Double> EXACT = within(1e-9);

    private static JsonNode golden;
    private static JsonNode expected;

    @BeforeAll
    static void read() throws IOException {
        golden = Json.MAPPER.readTree(FOLDER.resolve("values.json").toFile());
        expected = golden.get("expected");
    }

    private static Embeddings vectors(String name) {
        return new Embeddings(
                StreamSupport.stream(golden.get("vectors").get(name).spliterator(), false)
                        .map(MetricsGoldensTest::doubles)
                        .toArray(double[][]::new));
    }

    private static double[] doubles(JsonNode row) {
        return StreamSupport.stream(row.spliterator(), false)
                .mapToDouble(JsonNode::asDouble)
                .toArray();
    }

    private static int[] numbers(String name) {
        return StreamSupport.stream(golden.get(name).spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }

    private static Thumbnail[] thumbnails(String name) {
        return StreamSupport.stream(golden.get(name).spliterator(), false)
                .map(p -> new Picture(
                        p.get("width").asInt(),
                        p.get("height").asInt(),
                        Base64.getDecoder().decode(p.get("rgb").asText())))
                .map(Thumbnail::of)
                .toArray(Thumbnail[]::new);
    }

    private static AestheticHead head(Activation activation, NDManager manager) {
        return AestheticHead.read(FOLDER.resolve("head.safetensors"), activation, 16, manager);
    }

    private static Memorisation memorisation() {
        return new Memorisation(vectors("training"), thumbnails("trainingPictures"));
    }

    private static List<Memorisation.Nearest> nearest() {
        Thumbnail[] drawn = thumbnails("drawn");
        Embeddings own = vectors("pictures").take(numbers("own"));
        Memorisation memorisation = memorisation();
        return IntStream.range(0, drawn.length)
                .mapToObj(i -> memorisation.nearest(own.row(i), drawn[i]))
                .toList();
    }

    private static PictureValues values(Embeddings pictures, AestheticHead head) {
        Map<String, double[]> values = new LinkedHashMap<>();
        values.put(AestheticHead.NAME, head.of(pictures));
        double[] copies = new double[pictures.size()];
        List<Memorisation.Nearest> nearest = nearest();
        int[] own = numbers("own");
        for (int i = 0; i < own.length; i++) {
            copies[own[i]] = nearest.get(i).memorised() ? 1 : 0;
        }
        values.put(Memorisation.NAME, copies);
        values.putAll(HeldOut.values(pictures, vectors("training"), vectors("heldOut")));
        return new PictureValues(pictures, values);
    }

    private static ConceptMeter meter(ScoreWeights weights, AestheticHead head) {
        List<String> captions =
                IntStream.range(0, 7).mapToObj(i -> "caption " + i).toList();
        ConceptShare share = new ConceptShare(
                new Concept("main", "blorp", List.of("main")),
                numbers("own"),
                numbers("others"),
                vectors("training"),
                new PromptTexts(captions, vectors("captions")));
        List<String> texts = StreamSupport.stream(golden.get("texts").spliterator(), false)
                .map(JsonNode::asText)
                .toList();
        double[] trained = head.of(vectors("training"));
        TrainingValues reference = TrainingValues.of(
                vectors("training"),
                vectors("heldOut"),
                IntStream.range(0, trained.length)
                        .mapToDouble(i -> trained[i])
                        .average()
                        .orElseThrow(),
                Double.NaN);
        return new ConceptMeter(share, new PromptTexts(texts, vectors("texts")), weights, reference);
    }

    private static ScoreWeights weights() throws IOException {
        return new ScoreWeights(Json.MAPPER.treeToValue(golden.get("weights"), ScoreWeightsSpec.class));
    }

    private static <T> T withHead(Activation activation, Function<AestheticHead, T> use) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            return use.apply(head(activation, manager));
        }
    }

    @Test
    void metricsAreThoseOfNumpy() {
        Map<String, Double> metrics = withHead(Activation.None, head -> meter(ScoreWeights.DEFAULT, head)
                .measure(values(vectors("pictures"), head), values(vectors("base"), head))
                .values());

        assertSame(metrics, expected.get("metrics"));
    }

    private static void assertSame(Map<String, Double> metrics, JsonNode wanted) {
        assertThat(metrics).hasSize(wanted.size());
        metrics.forEach((name, value) ->
                assertThat(value).as(name).isEqualTo(wanted.get(name).asDouble(), EXACT));
    }

    @Test
    void weightedScoreIsThatOfNumpy() throws IOException {
        ScoreWeights weights = weights();

        double score = withHead(Activation.None, head -> meter(weights, head)
                .measure(values(vectors("pictures"), head), values(vectors("base"), head))
                .score());

        assertThat(score)
                .isEqualTo(expected.get("weightedScore").asDouble(), EXACT)
                .isNotCloseTo(expected.get("metrics").get("score").asDouble(), within(0.01));
    }

    @Test
    void intervalsAreThoseOfNumpyWithTheSameDraws() throws IOException {
        ScoreWeights weights = weights();

        Map<String, Bootstrap.Interval> intervals = withHead(Activation.None, head -> new Bootstrap(
                        List.of(meter(weights, head)), golden.get("seed").asLong())
                .intervals(List.of(
                        new Bootstrap.Sample(values(vectors("pictures"), head), values(vectors("base"), head)))));

        JsonNode wanted = expected.get("intervals");
        assertThat(intervals).hasSize(wanted.size());
        intervals.forEach((name, interval) -> {
            assertThat(interval.low())
                    .as(name)
                    .isEqualTo(wanted.get(name).get(0).asDouble(), EXACT);
            assertThat(interval.high())
                    .as(name)
                    .isEqualTo(wanted.get(name).get(1).asDouble(), EXACT);
        });
    }

    @Test
    void copiesAreTheNoisyAndTheMirroredOne() {
        Memorisation memorisation = memorisation();
        List<Memorisation.Nearest> nearest = nearest();

        assertThat(memorisation.distance())
                .isEqualTo(expected.get("maxDistance").asDouble(), within(1e-6));
        assertThat(memorisation.cosine()).isEqualTo(expected.get("minCosine").asDouble(), EXACT);
        assertThat(nearest)
                .extracting(Memorisation.Nearest::memorised)
                .containsExactly(false, true, false, false, true, false, false);
        for (int i = 0; i < nearest.size(); i++) {
            JsonNode wanted = expected.get("nearest").get(i);
            assertThat(nearest.get(i).byClip()).isEqualTo(wanted.get("byClip").asInt());
            assertThat(nearest.get(i).byPixels())
                    .isEqualTo(wanted.get("byPixels").asInt());
            assertThat(nearest.get(i).cosine()).isEqualTo(wanted.get("cosine").asDouble(), EXACT);
            // Thumbnails are floats.
            assertThat(nearest.get(i).distance())
                    .isEqualTo(wanted.get("distance").asDouble(), within(1e-6));
        }
    }

    @Test
    void headWithActivationsIsThatOfNumpy() {
        double[] scores = Objects.requireNonNull(withHead(Activation.Relu, head -> head.of(vectors("pictures"))));

        double[] wanted = doubles(expected.get("aestheticRelu"));
        for (int i = 0; i < wanted.length; i++) {
            assertThat(scores[i]).isEqualTo(wanted[i], EXACT);
        }
    }
}
