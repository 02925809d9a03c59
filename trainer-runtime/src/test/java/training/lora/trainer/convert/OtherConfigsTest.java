package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Configurations of OneTrainer and ai-toolkit. */
class OtherConfigsTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"OneTrainer, robot.json", "AiToolkit, style.yml"})
    void aConfigurationBecomesTheTrainingThatIsKept(Tool tool, String name) throws IOException {
        Path file = Conversions.CONFIGS.resolve(tool.id() + "/" + name);
        Path here = Path.of("").toAbsolutePath();

        Converted converted = Conversion.convert(tool, file, new Places(here, here));

        assertThat(Conversion.recognise(file)).isEqualTo(tool);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        assertThat(converted.yaml()).doesNotContain("hf_secret");
        Kept.requireSame(converted, tool.id() + "/" + name.replaceFirst("\\..*", ".yaml"));
    }

    @Test
    void aPresetOfSomeOptionsIsOneTrainers() throws IOException {
        Path file = Files.writeString(
                folder.resolve("preset.json"), "{\"base_model_name\": \"a/b\", \"training_method\": \"LORA\"}");

        assertThat(Conversion.recognise(file)).isEqualTo(Tool.OneTrainer);
        assertThatThrownBy(() -> Conversion.convert(Tool.OneTrainer, file, new Places(folder, folder)))
                .hasMessage(
                        file
                                + ": `concepts` must have one that is enabled, or `concept_file_name` name a file with it, was unset");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "OneTrainer | epochs | \"many\" | `epochs` must be a number, was \"many\"",
                "OneTrainer | model_type | \"FLUX_DEV_1\" | `model_type` can't be \"FLUX_DEV_1\": it must be",
                "OneTrainer | concepts | [{\"path\": \"a\"}, {\"path\": \"b\", \"image\": {\"enable_random_flip\": true}}] | `concepts.image.enable_random_flip` must be the same in all concepts here, was false and true",
                "OneTrainer | concept_file_name | \"none.json\" | none.json must be a file",
                "AiToolkit | train.steps | \"many\" | `train.steps` must be a number, was \"many\"",
                "AiToolkit | model.is_flux | true | `model.is_flux` can't be true: Stable Diffusion 1.x and XL are here, and no other family",
                "AiToolkit | network.type | \"lorm\" | `network.type` can't be \"lorm\": ",
                "AiToolkit | datasets | 3 | `datasets` must be a list, was 3",
                "AiToolkit | type | \"concept_slider\" | `type` can't be \"concept_slider\": of processes sd_trainer is here"
            })
    void whatIsWrongIsSaidWithOptionAndValue(Tool tool, String key, String value, String sentence) throws IOException {
        ObjectNode config = Conversions.least(tool);
        if (key.equals("concept_file_name")) {
            config.remove("concepts");
        }
        Conversions.set(Conversions.options(tool, config), key, Conversions.json(value));

        assertThatThrownBy(() -> Conversions.convert(tool, folder, config)).hasMessageContaining(sentence);
    }
}
