package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;

/** What is said of captions.jsonl as it came back. */
class ReviewedCaptionsTest {
    private static List<Sample> samples(int count) {
        return samples(Collections.nCopies(count, "a cat"));
    }

    private static List<Sample> samples(List<String> captions) {
        return IntStream.range(0, captions.size())
                .mapToObj(i -> Json.MAPPER.convertValue(
                        Map.of(
                                "name",
                                "main/%d.png".formatted(i),
                                "file",
                                "images/%d.png".formatted(i),
                                "caption",
                                captions.get(i)),
                        Sample.class))
                .toList();
    }

    private static List<Sample> read(int pictures, String captions, String content) throws IOException {
        return read(samples(pictures), spec(captions), content);
    }

    private static List<Sample> read(List<Sample> samples, LoraTrainingSpec spec, String content) {
        return ReviewedCaptions.read("captions.jsonl", content.getBytes(StandardCharsets.UTF_8))
                .of(samples, spec);
    }

    private static LoraTrainingSpec spec(String captions) throws IOException {
        return Json.STRICT_YAML.readValue(
                "{baseModel: {uri: m}, datasets: [{uri: d}], preparation: {captions: {%s}}}".formatted(captions),
                LoraTrainingSpec.class);
    }

    private static String line(int picture, String text) {
        return "{\"file_name\": \"images/%d.png\", \"text\": %s}\n".formatted(picture, text);
    }

    @Test
    void allMistakesAreToldAtOnceWithTheirLines() {
        String content = line(0, "\"a dog\"")
                + "{\"file_name\": 7}\n"
                + line(0, "\"a cat\"")
                + "\n"
                + line(9, "\"a cat\"")
                + line(1, "[]")
                + "no JSON\n";

        assertThatThrownBy(() -> read(6, "", content))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidCaptions))
                .hasMessageStartingWith("captions.jsonl, line 2, must name its picture in `file_name`, was 7; "
                        + "line 3, must be the only one of images/0.png, but line 1 has it too; "
                        + "line 5, must be of a prepared picture, but there is no images/9.png; "
                        + "line 6, must have its caption in `text`, a text or a list of texts, was []; "
                        + "line 7, must be a JSON object, but is no JSON at column 3: ")
                .hasMessageEndingWith("; it must have a line for each picture, but has none for images/2.png,"
                        + " images/3.png, images/4.png and 1 more");
    }

    @Test
    void aLineThatSaysOfNoPictureMayBeTheOneThatIsMissing() {
        assertThatThrownBy(() -> read(2, "", line(0, "\"a cat\"") + "{\n"))
                .hasMessageStartingWith("captions.jsonl, line 2, must be a JSON object")
                .message()
                .doesNotContain("must have a line for each picture");
    }

    @Test
    void tenMistakesAreToldAndHowManyMoreThereAre() {
        String content = IntStream.range(0, 13).mapToObj(i -> line(i, "1")).collect(Collectors.joining());

        assertThatThrownBy(() -> read(13, "", content))
                .message()
                .contains("line 10, must have its caption")
                .doesNotContain("line 11,")
                .endsWith("; and 3 more of such");
    }

    @Test
    void choicesWhoseBracesAreNotClosedAreRefusedWhereOneIsDrawn() throws IOException {
        String content = line(0, "[\"a {red|blue cat\", \"a cat\"]");

        assertThatThrownBy(() -> read(1, "wildcards: true", content))
                .hasMessage(
                        "captions.jsonl, line 1, must pair the braces of its choices ({{ and }} are braces), but the { at character 3 is not closed");
        assertThat(read(1, "", content).get(0).variants()).containsExactly("a {red|blue cat", "a cat");
    }

    @ParameterizedTest
    @ValueSource(strings = {"wildcards: true", "wildcards: false"})
    void aFileThatNobodyEditedIsTakenAsItIsWhateverBracesItsCaptionsHave(String captions) throws IOException {
        List<Sample> samples = samples(List.of("a { b", "code with {x|y} } on a screen", "a cat"));
        LoraTrainingSpec spec = spec(captions);
        String content = CaptionsFile.content(samples, new CaptionRules(spec));

        assertThat(read(samples, spec, content)).isEqualTo(samples);
        assertThat(read(samples, spec, content.replace("a cat", "a {{dog}}")).get(2))
                .extracting(Sample::caption, Sample::captionFrom)
                .containsExactly(captions.endsWith("true") ? "a {dog}" : "a {{dog}}", CaptionReview.FROM);
    }
}
