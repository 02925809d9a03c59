package training.lora.trainer.run;

import static org.assertj.core.api.Assertions.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.trainer.TrainerException;

class SettingTest {
    @TempDir
    Path folder;

    private static ObjectNode spec() throws IOException {
        return (ObjectNode)
                Json.STRICT_YAML.readTree(
                        "{training: {steps: 1}, datasets: [{uri: a}, {name: other, uri: b}], runtime: {stages: [{name: Train}]}}");
    }

    @ParameterizedTest
    @CsvSource({
        "training.steps=2, /training/steps, 2",
        "spec.training.steps=2, /training/steps, 2",
        "training.adapter.rank=4, /training/adapter/rank, 4",
        "datasets[0].uri=c, /datasets/0/uri, c",
        "spec.datasets[1].uri=c, /datasets/1/uri, c",
        "datasets[main].uri=c, /datasets/0/uri, c",
        "datasets[other].uri=c, /datasets/1/uri, c",
        "datasets[other].concept.trigger=zx, /datasets/1/concept/trigger, zx",
        "runtime.stages[Train].image=i, /runtime/stages/0/image, i",
        "datasets[1]={uri: c}, /datasets/1/uri, c",
        "datasets=[{uri: c}], /datasets/0/uri, c",
        "baseModel.uri=https://h/m?a=b, /baseModel/uri, https://h/m?a=b"
    })
    void fieldTakesTheValue(String setting, String pointer, String value) throws IOException {
        ObjectNode spec = spec();

        new Setting(setting).in(spec);

        assertThat(spec.at(pointer).asText()).isEqualTo(value);
    }

    @Test
    void otherEntriesStay() throws IOException {
        ObjectNode spec = spec();

        new Setting("datasets[other].uri=c").in(spec);

        assertThat(spec.at("/datasets").toString()).isEqualTo("[{\"uri\":\"a\"},{\"name\":\"other\",\"uri\":\"c\"}]");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "datasets[2].uri | entry of `spec.datasets` by its number, from 0, or its name, but there is 0 (main), 1 (other)",
                "datasets[none].uri | entry of `spec.datasets` by its number, from 0, or its name, but there is 0 (main), 1 (other)",
                "training[0].steps | entry of `spec.training` by its number, from 0, or its name, but there is",
                "sampling.prompts[0].text | entry of `spec.sampling.prompts` by its number, from 0, or its name, but there is none",
                "datasets[0][1].uri | entry of `spec.datasets[0]` by its number",
                "datasets.uri | must name an entry of the list `spec.datasets`, as in datasets[0]",
            })
    void whatIsNotThereIsTold(String field, String sentence) throws IOException {
        ObjectNode spec = spec();

        assertThatThrownBy(() -> new Setting(field + "=c").in(spec))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining(sentence);
    }

    @ParameterizedTest
    @ValueSource(strings = {"steps", "=2", "[0].uri=a", "datasets[0=a", "datasets[].uri=a", "a..b=1", ".a=1", "a.=1"})
    void whatIsNoFieldIsRefused(String text) {
        assertThatThrownBy(() -> new Setting(text))
                .isInstanceOf(TrainerException.class)
                .hasMessageEndingWith("must be FIELD=VALUE, such as training.steps=20 or datasets[0].uri=pictures, was "
                        + text.replaceFirst("=.*", "=…"));
    }

    /** A mistake may be in the option and not in the file. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "training.steps=many | `spec.training.steps` must be a whole number",
                "baseModel.sha256=12 | `spec.baseModel.sha256` must be text",
                "training.steps=-1 | `spec.training.steps` must be ",
            })
    void whatIsWrongIsSaidOfTheFileAndThenWithWhichOptions(String setting, String sentence) throws IOException {
        Path file = base();

        assertThatThrownBy(() -> RunSpecs.load(file, List.of("training.batchSize=2", setting)))
                .isInstanceOf(TrainerException.class)
                .hasMessageStartingWith("%s: %s".formatted(file, sentence))
                .hasMessageEndingWith(" (with --set training.batchSize, %s)".formatted(setting.split("=")[0]));
    }

    /** As messages on the spec have it: addresses may be signed, or have a password in them. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "datasets[0].uri=https://me:SECRET@host/a.zip?sig=SECRET",
                "baseModel=https://host/a?sig=SECRET",
                "datasets={uri: 'https://host/a.zip?sig=SECRET'}",
                "datasets[9].uri=https://host/a.zip?sig=SECRET",
                "datasets.uri=https://host/a.zip?sig=SECRET",
                "baseModel.uri.x=https://host/a.zip?sig=SECRET",
                "baseModel.uri=[https://host/a.zip?sig=SECRET",
                "https://me:SECRET@host/a.zip?sig=SECRET",
                "https://me:SECRET@host/a.zip"
            })
    void noMessageShowsWhatAnOptionSaysInSecret(String setting) throws IOException {
        Path file = base();

        assertThatThrownBy(() -> RunSpecs.load(file, List.of("training.steps=-1", setting)))
                .isInstanceOf(TrainerException.class)
                .extracting(Throwable::getMessage, as(InstanceOfAssertFactories.STRING))
                .containsAnyOf("--set", "host/a")
                .doesNotContain("SECRET");
    }

    private Path base() throws IOException {
        return Files.writeString(folder.resolve("base.yaml"), """
                apiVersion: lora.training/v1alpha1
                kind: LoraTraining
                metadata: {name: base}
                spec: {baseModel: {uri: base}, datasets: [{uri: data}], training: {steps: 1}}
                """);
    }
}
