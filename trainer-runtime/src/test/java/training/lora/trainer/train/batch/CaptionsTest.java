package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.DatasetRole;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.train.TrainingSpecs;

/** Tags of captions, as text. */
class CaptionsTest {
    private static final TrainingData NONE = new NoData() {
        @Override
        public int size() {
            return 0;
        }

        @Override
        public NDArray timeIds(int[] samples, NDManager scope) {
            return scope.create(samples);
        }
    };

    private static List<String> varied(String settings, String caption, int times) {
        Captions captions = new Captions(
                NONE,
                List.of(),
                TrainingSpecs.of("captions: {%s}".formatted(settings)).captions(),
                (texts, scope) -> {
                    throw new AssertionError();
                },
                0);
        SplittableRandom random = new SplittableRandom(1);
        List<String> all = new ArrayList<>();
        for (int i = 0; i < times; i++) {
            all.add(captions.vary(caption, random));
        }
        return all;
    }

    /** What a trained text encoder is given at {@code index}. */
    private static List<String> texts(String settings, long index, NDManager scope) {
        Captions captions = new Captions(
                NONE,
                List.of("a, b, c", "d, e, f"),
                TrainingSpecs.of("captions: {%s}".formatted(settings)).captions(),
                null,
                5);
        Told.Texts told = (Told.Texts) captions.at(index, new int[] {1, 0, 1}, scope);
        assertThat(told.timeIds().toIntArray()).containsExactly(1, 0, 1);
        assertThat(((Told.Texts) captions.plain(new int[] {0}, scope)).texts()).containsExactly("a, b, c");
        return told.texts();
    }

    @Test
    void trainedTextEncodersAreGivenTheTextsThemselves() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            assertThat(texts("dropout: 0", 0, scope)).containsExactly("d, e, f", "a, b, c", "d, e, f");
            assertThat(texts("dropout: 1", 0, scope)).containsExactly("", "", "");
            assertThat(texts("dropout: 0, tagDropout: 1", 0, scope)).containsExactly("d", "a", "d");
            Set<List<String>> drawn = new HashSet<>();
            for (int i = 0; i < 40; i++) {
                drawn.add(texts("dropout: 0.5", i, scope));
                assertThat(texts("dropout: 0.5", i, scope)).isIn(drawn);
            }
            assertThat(drawn).hasSize(8);
        }
    }

    private static Sample sample(String caption, @Nullable List<String> variants) {
        return DatasetManifestSampleBuilder.builder()
                .name("main/" + caption)
                .dataset("main")
                .role(DatasetRole.Train)
                .file("images/00000.png")
                .caption(caption)
                .sha256("")
                .sizes(PictureSizes.square(16))
                .variants(variants)
                .build();
    }

    private static LoraTrainingSpec spec(String concept, String captions, int seed) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue("""
                baseModel: {uri: base}
                datasets: [{uri: data, concept: %s}]
                training: {seed: %d, captions: {%s}}
                """.formatted(concept, seed, captions), LoraTrainingSpec.class);
    }

    @Test
    void ofADroppedCaptionItsConceptsWordsAreLeftWhereTheyAreAskedFor() throws JsonProcessingException {
        List<Sample> samples = List.of(sample("a red cat, TOK", null), sample("TOK in snow", null));
        String concept = "{mode: Object, trigger: TOK}";
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Map<String, Integer> drawn = new TreeMap<>();
            Captions some = Captions.of(NONE, samples, spec(concept, "dropout: 0.25, dropoutLeaves: Trigger", 3), null);
            for (int i = 0; i < 1000; i++) {
                ((Told.Texts) some.at(i, new int[] {0, 1}, scope))
                        .texts()
                        .forEach(text -> drawn.merge(text, 1, Integer::sum));
            }
            assertThat(drawn.keySet()).containsExactly("TOK", "TOK in snow", "a red cat, TOK");
            assertThat(drawn.get("TOK")).isBetween(420, 580);

            Captions nameless =
                    Captions.of(NONE, samples, spec("{mode: Style}", "dropout: 1, dropoutLeaves: Trigger", 3), null);
            assertThat(((Told.Texts) nameless.at(0, new int[] {0, 1}, scope)).texts())
                    .containsExactly("", "");
        }
        assertThat(Captions.vary(
                        spec(concept, "dropoutLeaves: Trigger", 0).training().captions(), samples))
                .isTrue();
        assertThat(Captions.vary(
                        spec(concept, "dropout: 0, dropoutLeaves: Trigger", 0)
                                .training()
                                .captions(),
                        samples))
                .isFalse();
    }

    @Test
    void ofSeveralCaptionsOneIsDrawnForEachBatchAndPictureFromTheSeed() throws JsonProcessingException {
        List<Sample> samples =
                List.of(sample("a red cat", List.of("a {red|blue} cat", "an animal")), sample("a {plain} dog", null));
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Map<String, Integer> drawn = new TreeMap<>();
            List<List<String>> all = new ArrayList<>();
            for (int seed : new int[] {5, 5, 6}) {
                Captions captions = Captions.of(NONE, samples, spec("{mode: Style}", "dropout: 0", seed), null);
                List<String> told = new ArrayList<>();
                for (int i = 0; i < 1000; i++) {
                    List<String> texts = ((Told.Texts) captions.at(i, new int[] {0, 1}, scope)).texts();
                    assertThat(texts.get(1)).isEqualTo("a {plain} dog");
                    drawn.merge(texts.get(0), 1, Integer::sum);
                    told.add(texts.get(0));
                }
                all.add(told);
                assertThat(((Told.Texts) captions.plain(new int[] {0}, scope)).texts())
                        .containsExactly("a red cat");
            }
            assertThat(all.get(1)).isEqualTo(all.get(0)).isNotEqualTo(all.get(2));
            assertThat(drawn.keySet()).containsExactly("a blue cat", "a red cat", "an animal");
            assertThat(drawn.get("an animal")).isBetween(1350, 1650);
            assertThat(drawn.get("a red cat")).isBetween(600, 900);
        }
    }

    @Test
    void captionStaysWordForWordWhereNothingIsAskedFor() {
        assertThat(varied("dropout: 0.5", "TOK,a  cat ,red", 3)).containsOnly("TOK,a  cat ,red");
        assertThat(varied("shuffle: true, keepTokens: 3", "TOK,a  cat ,red", 3)).containsOnly("TOK,a  cat ,red");
    }

    @Test
    void everyOrderOfTheOtherTagsComesUpAboutAsOftenAndTheKeptOnesStay() {
        List<String> all = varied("shuffle: true, keepTokens: 1", "TOK, a, b, c", 6000);

        Set<String> orders = new HashSet<>(all);
        assertThat(orders)
                .containsExactlyInAnyOrder(
                        "TOK, a, b, c", "TOK, a, c, b", "TOK, b, a, c", "TOK, b, c, a", "TOK, c, a, b", "TOK, c, b, a");
        for (String order : orders) {
            assertThat(all.stream().filter(order::equals).count()).as(order).isBetween(880L, 1120L);
        }
    }

    @Test
    void otherTagsAreLeftOutAtTheirShareInTheirOrder() {
        List<String> all = varied("tagDropout: 0.25, keepTokens: 2", "TOK, cat, x, y, z", 4000);

        assertThat(all).allMatch(text -> text.matches("TOK, cat(, x)?(, y)?(, z)?"));
        for (String tag : List.of(", x", ", y", ", z")) {
            assertThat(all.stream().filter(text -> text.contains(tag)).count() / 4000.0)
                    .as(tag)
                    .isBetween(0.72, 0.78);
        }
    }
}
