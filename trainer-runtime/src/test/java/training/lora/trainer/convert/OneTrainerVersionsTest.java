package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What OneTrainer's older files say in other keys is what it makes of them today. */
class OneTrainerVersionsTest {
    @TempDir
    Path folder;

    private Converted convert(String changes) throws IOException {
        ObjectNode file = Conversions.least(Tool.OneTrainer);
        file.setAll((ObjectNode) Conversions.json(changes));
        return Conversions.convert(Tool.OneTrainer, folder, file);
    }

    private JsonNode datasets(String concept) throws IOException {
        return convert("{\"concepts\": [{\"path\": \"some\"}, %s]}".formatted(concept))
                .training()
                .at("/spec/datasets");
    }

    @ParameterizedTest
    @CsvSource({"1, true, Validation", "0, true, Validation", "1, false, ''", "2, true, ''"})
    void heldOutPicturesOfAnOlderConceptAreHeldOut(int version, boolean heldOut, String role) throws IOException {
        String concept =
                "{\"__version\": %d, \"path\": \"held\", \"validation_concept\": %b}".formatted(version, heldOut);

        assertThat(datasets(concept).path(1).path("role").asText()).isEqualTo(role);
        // Of today's concepts it is unknown.
        assertThat(convert("{\"concepts\": [%s]}".formatted(concept.replace("true", "false")))
                        .warnings()
                        .toString()
                        .contains("`concepts.validation_concept`"))
                .isEqualTo(version == 2);
    }

    @ParameterizedTest
    @CsvSource({"'\"__version\": 0,', 10", "'', 10", "'\"__version\": 1,', 1"})
    void repeatsOfTheFirstConceptsAreTheirBalancing(String version, int repeats) throws IOException {
        String concept = "{%s \"path\": \"held\", \"repeats\": 10}".formatted(version);

        assertThat(datasets(concept).path(1).path("repeats").asInt(1)).isEqualTo(repeats);
    }

    @Test
    void conceptsInAFileOfTheirOwnAreBroughtForwardToo() throws IOException {
        Files.writeString(
                folder.resolve("old.json"),
                "[{\"path\": \"some\", \"repeats\": 3}, {\"__version\": 1, \"path\": \"held\", \"validation_concept\": true}]");

        JsonNode datasets = convert("{\"concepts\": null, \"concept_file_name\": \"old.json\"}")
                .training()
                .at("/spec/datasets");

        assertThat(datasets.at("/0/repeats").asInt()).isEqualTo(3);
        assertThat(datasets.at("/1/role").asText()).isEqualTo("Validation");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"__version\": 3, ", "\"__version\": 2, ", ""})
    void aWeightOfNoiseThatOnceMeantASigmoidIsRefused(String version) throws IOException {
        String weighted = "{%s\"noising_weight\": %s, \"noising_bias\": 0.5}";

        assertThatThrownBy(() -> convert(weighted.formatted(version, "2.0")))
                .hasMessageContaining(
                        "`noising_weight` must be 0 in a file of `__version` 3 or before, or without one, where it draws timesteps by a sigmoid, which isn't here, was 2.0");
        assertThat(convert(weighted.formatted(version, "0.0")).training().at("/spec/training/loss"))
                .isEqualTo(convert("{}").training().at("/spec/training/loss"));
    }

    @Test
    void aWeightOfNoiseCountsWithItsDistributionInFilesOfToday() throws IOException {
        JsonNode loss = convert(
                        "{\"__version\": 4, \"timestep_distribution\": \"LOGIT_NORMAL\", \"noising_weight\": 0.5, \"noising_bias\": 0.25}")
                .training()
                .at("/spec/training/loss");

        assertThat(loss.path("timestepDeviation").asDouble()).isEqualTo(1.5);
        assertThat(loss.path("timestepMean").asDouble()).isEqualTo(0.25);
        assertThat(convert("{\"__version\": 4, \"noising_weight\": 2.0}").training())
                .isEqualTo(convert("{\"__version\": 4}").training());
    }
}
