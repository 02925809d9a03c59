package training.lora.trainer.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;

class SpecScopeTest {
    private static LoraTrainingSpec spec(String model, String data) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(
                "{baseModel: {%s}, datasets: [%s]}".formatted(model, data), LoraTrainingSpec.class);
    }

    @Test
    void changesNameUrlsWithoutTheirQueries() throws JsonProcessingException {
        LoraTrainingSpec before = spec("uri: 'https://a/b?sig=SECRET1'", "{uri: 'https://a/c?sig=SECRET2'}");
        LoraTrainingSpec now = spec(
                "uri: 'https://a/d?sig=SECRET3', vae: {uri: 'https://a/v?sig=SECRET4'}",
                "{uri: 'https://a/c?sig=SECRET5'}");

        List<String> changes = SpecScope.Training.changes(before, now);

        assertThat(changes)
                .hasSize(3)
                .contains("`spec.baseModel.uri` was \"https://a/b\" and is \"https://a/d\"")
                .contains(
                        "`spec.datasets[0].uri` is \"https://a/c\", but what is left out here of a url, such as its query, is another")
                .anyMatch(
                        change -> change.startsWith("`spec.baseModel.vae` was ") && change.contains("\"https://a/v\""))
                .noneMatch(change -> change.contains("SECRET"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "tokens: {count: 2} | true",
                "loss: {preservation: {prompts: [a hat, 'photo, <caption>']}} | true",
                "loss: {preservation: {prompts: [a hat]}} | false",
                "seed: 7 | false",
            })
    void trainingDependsOnClassNamesWhereItUsesThem(String training, boolean used) throws JsonProcessingException {
        String changed = "`spec.datasets[0].concept.className` was \"cat\" and is \"dog\"";

        assertThat(SpecScope.Training.changes(classed("cat", training), classed("dog", training)))
                .isEqualTo(used ? List.of(changed) : List.of());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "captions: {cleanUp: Rules} | true",
                "mask: {source: Segment} | true",
                "mask: {source: Segment, prompts: [a hat]} | false",
                "mask: {source: Face} | false",
            })
    void preparedDataDependOnClassNamesWhereCaptionsOrMasksAreOfThem(String preparation, boolean used)
            throws JsonProcessingException {
        String changed = "`spec.datasets[0].concept.className` was \"cat\" and is \"dog\"";
        String fields = "steps: 1}, preparation: {" + preparation;

        assertThat(SpecScope.Preparation.changes(classed("cat", fields), classed("dog", fields)))
                .isEqualTo(used ? List.of(changed) : List.of());
    }

    @Test
    void descriptionsAreOfTheTrainingAndNotOfPreparedData() throws JsonProcessingException {
        String data = "{uri: a, concept: {mode: Object, trigger: qzx, description: a %s hat}}";
        LoraTrainingSpec before = spec("uri: a", data.formatted("red"));
        LoraTrainingSpec now = spec("uri: a", data.formatted("blue"));

        assertThat(SpecScope.Preparation.changes(before, now)).isEmpty();
        assertThat(SpecScope.Training.changes(before, now))
                .containsExactly("`spec.datasets[0].concept.description` was \"a red hat\" and is \"a blue hat\"");
    }

    private static LoraTrainingSpec classed(String className, String training) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(
                "{baseModel: {uri: a}, datasets: [{uri: a, concept: {mode: Object, trigger: qzx, className: %s}}], training: {%s}}"
                        .formatted(className, training),
                LoraTrainingSpec.class);
    }
}
