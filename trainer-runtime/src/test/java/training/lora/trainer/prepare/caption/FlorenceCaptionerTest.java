package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.ItemBuilder;

/** Captions of a random tiny Florence-2 against transformers, whose generate() was given the published settings. */
class FlorenceCaptionerTest {
    private static final Path FOLDER = Goldens.FOLDER.resolve("florence");
    private static final String FIELD = "spec.preparation.captions.model.uri";

    static {
        OpenCvLibrary.load();
    }

    private static JsonNode texts() throws IOException {
        return Json.MAPPER.readTree(FOLDER.resolve("texts.json").toFile());
    }

    private static FlorenceCaptioner open(String captions, long seed) throws IOException {
        return FlorenceCaptioner.open(
                FOLDER, FIELD, Json.STRICT_YAML.readValue("{%s}".formatted(captions), CaptionsSpec.class), seed);
    }

    private static List<CroppedPicture> pictures() throws IOException {
        DatasetSpec dataset = Json.STRICT_YAML.readValue("{uri: data}", DatasetSpec.class);
        List<CroppedPicture> all = new ArrayList<>();
        for (int i : IntStream.range(0, 4).toArray()) {
            Path file = FOLDER.resolve("picture-%d.png".formatted(i));
            all.add(new CroppedPicture(
                    ItemBuilder.builder()
                            .dataset(dataset)
                            .name("main/picture-%d.png".formatted(i))
                            .file(file)
                            .caption("")
                            .invisible(0)
                            .build(),
                    file));
        }
        return all;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "greedy|beams: 1, maxTokens: 16",
                "beams3|beams: 3, maxTokens: 16",
                "beams4.short|detail: Caption, beams: 4, maxTokens: 7",
                "greedy.long|detail: MoreDetailed, maxTokens: 40",
                "beams3.long|detail: Caption, beams: 3, maxTokens: 40",
                "beams3.beginning|beginning: a photo of, beams: 3, maxTokens: 16",
                "greedy.beginning|beginning: a photo of, maxTokens: 16"
            })
    void captionsAreTransformersTokenByToken(String name, String captions) throws IOException {
        JsonNode expected = texts();
        String beginning = captions.contains("beginning") ? "a photo of" : "";
        try (FlorenceCaptioner captioner = open(captions, 0)) {
            List<long[]> written = captioner.written(pictures());
            List<String> said = captioner.captions(pictures());

            for (int i = 0; i < 4; i++) {
                String file = "picture-%d.png".formatted(i);
                assertThat(written.get(i))
                        .as(file)
                        .containsExactly(StreamSupport.stream(
                                        expected.path("tokens")
                                                .path(name)
                                                .path(file)
                                                .spliterator(),
                                        false)
                                .mapToLong(JsonNode::asLong)
                                .toArray());
                assertThat(said.get(i).replace(" ", ""))
                        .isEqualTo((beginning
                                        + expected.path("texts")
                                                .path(name)
                                                .path(file)
                                                .asText())
                                .replace(" ", ""));
            }
        }
    }

    @Test
    void chanceFollowsTheSeedAndForbidsRepeatsToo() throws IOException {
        String warm = "temperature: 1.5, maxTokens: 20";
        List<String> first;
        try (FlorenceCaptioner captioner = open(warm, 1)) {
            first = captioner.captions(pictures());
            for (long[] tokens : captioner.written(pictures())) {
                assertThat(threes(tokens)).doesNotHaveDuplicates();
            }
        }
        try (FlorenceCaptioner same = open(warm, 1);
                FlorenceCaptioner other = open(warm, 2);
                FlorenceCaptioner cold = open("temperature: 0.000001, maxTokens: 20", 1);
                FlorenceCaptioner greedy = open("maxTokens: 20", 1)) {
            assertThat(same.captions(pictures())).isEqualTo(first);
            assertThat(other.captions(pictures())).isNotEqualTo(first);
            assertThat(cold.captions(pictures())).isEqualTo(greedy.captions(pictures()));
        }
    }

    private static List<List<Long>> threes(long[] tokens) {
        return IntStream.range(0, Math.max(0, tokens.length - 2))
                .mapToObj(i -> List.of(tokens[i], tokens[i + 1], tokens[i + 2]))
                .toList();
    }

    @Test
    void aTextIsNoLongerThanThePositionsOfTheModelAndABeginningMustLeaveRoom() throws IOException {
        try (FlorenceCaptioner captioner = open("beams: 2, maxTokens: 500", 0)) {
            assertThat(captioner.written(pictures().subList(0, 1)).get(0)).hasSizeLessThan(64);
        }
        assertThatThrownBy(() -> open("beginning: %s".formatted("q".repeat(62)), 0))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "`spec.preparation.captions.beginning` must leave room for a caption of at most 61 tokens, but has 62");
    }

    @Test
    void aTextIsTheSameWhateverIsWrittenBesideIt() throws IOException {
        String warm = "temperature: 1.0, topK: 50, maxTokens: 12";
        try (FlorenceCaptioner greedy = open("maxTokens: 12", 0);
                FlorenceCaptioner chance = open(warm, 3)) {
            for (FlorenceCaptioner captioner : List.of(greedy, chance)) {
                List<long[]> together = captioner.written(pictures());
                for (int i = 0; i < pictures().size(); i++) {
                    assertThat(captioner.written(pictures().subList(i, i + 1)))
                            .singleElement()
                            .isEqualTo(together.get(i));
                }
            }
        }
    }

    @Test
    void whatDecidesACaptionIsInItsKey() throws IOException {
        List<String> keys = new ArrayList<>();
        for (String captions : List.of(
                "",
                "detail: Caption",
                "beginning: a",
                "beams: 2",
                "maxTokens: 9",
                "temperature: 1",
                "topK: 3, temperature: 1")) {
            keys.add(FlorenceCaptioner.key(
                    Json.STRICT_YAML.readValue("{%s}".formatted(captions), CaptionsSpec.class), 5));
        }
        assertThat(keys).doesNotHaveDuplicates();
    }
}
