package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.blip.Blip;
import training.lora.trainer.model.blip.BlipDecoder;

/** BLIP against transformers, on a random tiny configuration. */
class BlipGoldensTest {
    private static final Path FOLDER = Goldens.FOLDER.resolve("blip");

    private final JsonNode texts = read();

    private static JsonNode read() {
        try {
            return Json.MAPPER.readTree(FOLDER.resolve("texts.json").toFile());
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void whatIsSeenAndTheLogitsOfEachTokenAreTransformers() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("blip", manager);
                Blip blip = Blip.open(FOLDER, manager)) {
            NDArray seen = blip.see(golden.get("pixels"));
            golden.assertMatches(seen, "seen");

            long[] prompt = prompt(blip);
            NDList steps = new NDList();
            try (BlipDecoder.Text text = blip.begin(seen)) {
                for (long token : with(blip.beginToken(), prompt)) {
                    long[] tokens = new long[4];
                    Arrays.fill(tokens, token);
                    steps.add(manager.create(text.next(tokens)));
                }
            }
            golden.assertMatches(ai.djl.ndarray.NDArrays.stack(steps, 1), "logits");
        }
    }

    @ParameterizedTest
    @CsvSource({"greedy, 1, false", "greedy.prompt, 1, true", "beams3, 3, false", "beams5.prompt, 5, true"})
    void textsAreTransformersTokenByToken(String name, int beams, boolean prompted) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("blip", manager);
                Blip blip = Blip.open(FOLDER, manager)) {
            long[] prompt = prompted ? prompt(blip) : new long[0];

            List<long[]> written =
                    new BlipWriter(blip, decoding(blip, beams, 0), prompt).write(golden.get("pixels"), i -> chance(0));

            List<long[]> expected = StreamSupport.stream(
                            texts.path("tokens").path(name).spliterator(), false)
                    .map(tokens -> StreamSupport.stream(tokens.spliterator(), false)
                            .mapToLong(JsonNode::asLong)
                            .toArray())
                    .map(tokens -> with(prompt, tokens))
                    .toList();
            assertThat(written).usingRecursiveComparison().isEqualTo(expected);
        }
    }

    @Test
    void chanceFollowsTheSeedAndFromOneTokenOnTakesOthersThanTheLikeliest() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("blip", manager);
                Blip blip = Blip.open(FOLDER, manager)) {
            NDArray pixels = golden.get("pixels");
            BlipWriter writer = new BlipWriter(blip, decoding(blip, 1, 2), new long[0]);
            BlipWriter cold = new BlipWriter(blip, decoding(blip, 1, 1e-6), new long[0]);
            BlipWriter greedy = new BlipWriter(blip, decoding(blip, 1, 0), new long[0]);

            List<String> first = shown(writer.write(pixels, i -> chance(1)));

            assertThat(shown(writer.write(pixels, i -> chance(1)))).isEqualTo(first);
            assertThat(shown(writer.write(pixels, i -> chance(2)))).isNotEqualTo(first);
            assertThat(shown(cold.write(pixels, i -> chance(1))))
                    .isEqualTo(shown(greedy.write(pixels, i -> chance(1))));
        }
    }

    @Test
    void aVocabularyAloneDecodesAsTransformersDoes() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Blip blip = Blip.open(FOLDER, manager)) {
            assertThat(blip.text(new long[] {8, 24, 20, 15, 21, 22}))
                    .isEqualTo(texts.path("text").asText());
            assertThat(blip.tokens("A Photo, of cats")).containsExactly(5, 15, 20, 10, 8, 24);
        }
    }

    private static List<String> shown(List<long[]> texts) {
        return texts.stream().map(Arrays::toString).toList();
    }

    private static SplittableRandom chance(long seed) {
        return new SplittableRandom(seed);
    }

    private static Decoding decoding(Blip blip, int beams, double temperature) {
        return DecodingBuilder.builder()
                .beams(beams)
                .temperature(temperature)
                .topK(40)
                .mostTokens(12)
                .end(blip.endToken())
                .pad(blip.padToken())
                .rules(WritingRules.NONE)
                .build();
    }

    private long[] prompt(Blip blip) {
        return blip.tokens(texts.path("prompt").asText());
    }

    private static long[] with(long first, long[] rest) {
        return with(new long[] {first}, rest);
    }

    private static long[] with(long[] first, long[] rest) {
        List<Long> all = new ArrayList<>();
        Arrays.stream(first).forEach(all::add);
        Arrays.stream(rest).forEach(all::add);
        return all.stream().mapToLong(Long::longValue).toArray();
    }
}
