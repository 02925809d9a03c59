package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What ai-toolkit draws while it trains, and what it calls pictures without a caption. */
class AiToolkitSamplesTest {
    private static final String SAMPLES =
            "[{\"prompt\": \"a\", \"seed\": 7}, {\"prompt\": \"b\"}, {\"prompt\": \"c --d 5\"}, {\"prompt\": \"d\"}]";

    @TempDir
    Path folder;

    private Converted convert(String changes) throws IOException {
        ObjectNode file = Conversions.least(Tool.AiToolkit);
        Conversions.json("{" + changes + "}")
                .fields()
                .forEachRemaining(field ->
                        Conversions.set(Conversions.options(Tool.AiToolkit, file), field.getKey(), field.getValue()));
        return Conversions.convert(Tool.AiToolkit, folder, file);
    }

    /** As BaseSDTrainProcess.sample has them. */
    @ParameterizedTest
    @CsvSource({"false, 7 7 5 7", "true, 7 43 5 45"})
    void aSeedOfASampleCountsUntilTheNext(boolean walks, String seeds) throws IOException {
        JsonNode prompts = convert("\"sample.seed\": 42, \"sample.walk_seed\": %b, \"sample.samples\": %s"
                        .formatted(walks, SAMPLES))
                .training()
                .at("/spec/sampling/prompts");

        assertThat(prompts.findValuesAsText("text")).containsExactly("a", "b", "c", "d");
        assertThat(prompts.findValuesAsText("seed")).containsExactly(seeds.split(" "));
    }

    @Test
    void samplesStandInThePlaceOfPrompts() throws IOException {
        String prompts = "\"sample.prompts\": [\"x\"], ";

        Converted converted = convert(prompts + "\"sample.samples\": " + SAMPLES);

        assertThat(converted.training())
                .isEqualTo(convert("\"sample.samples\": " + SAMPLES).training());
        assertThat(converted.warnings())
                .contains("without effect: `sample.prompts` (sample.samples stands in its place)");
        assertThat(convert(prompts + "\"sample.samples\": []")
                        .training()
                        .at("/spec/sampling/enabled")
                        .asBoolean(true))
                .isFalse();
        assertThat(convert(prompts + "\"sample.seed\": 3")
                        .training()
                        .at("/spec/sampling/prompts")
                        .toString())
                .isEqualTo("[{\"text\":\"x\",\"negative\":\"\",\"seed\":3}]");
    }

    @Test
    void aPictureWithABlankCaptionHasTheDefaultOne() throws IOException {
        String unset = "\"datasets.folder_path\": \"some\", \"datasets.default_caption\": \"a thing\"";
        String told = "pictures of some without a caption are not called \"a thing\"";
        Files.createDirectories(folder.resolve("some"));
        Files.createFile(folder.resolve("some/a.png"));
        Files.writeString(folder.resolve("some/a.txt"), " \n");

        Converted blank = convert(unset);

        assertThat(blank.training().at("/spec/datasets/0/concept/trigger").asText())
                .isEqualTo("a thing");
        assertThat(Conversions.differences(blank)).doesNotContain(told);
        Files.createFile(folder.resolve("some/b.png"));
        Files.writeString(folder.resolve("some/b.txt"), "b");
        Converted partly = convert(unset);
        assertThat(partly.training().at("/spec/datasets/0/concept").isMissingNode())
                .isTrue();
        assertThat(Conversions.differences(partly)).contains(told);
        Files.writeString(folder.resolve("some/a.txt"), "a");
        assertThat(Conversions.differences(convert(unset))).doesNotContain(told);
    }
}
