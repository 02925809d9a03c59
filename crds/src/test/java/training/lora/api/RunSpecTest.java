package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RunSpecTest {
    private static LoraTrainingSpec spec(String more) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(
                "{baseModel: {uri: 'bundled://a'}, datasets: [{uri: data}]" + more + "}", LoraTrainingSpec.class);
    }

    private static String id(String more) throws JsonProcessingException {
        return RunSpec.of("default", "n", spec(more)).runId();
    }

    @Test
    void whatTheResultDependsOnChangesTheRun() throws JsonProcessingException {
        assertThat(id(", training: {steps: 5}")).isNotEqualTo(id(""));
        assertThat(RunSpec.of("other", "n", spec("")).runId()).isNotEqualTo(id(""));
    }

    @Test
    void howAndWhereItRunsDoesNotChangeTheRun() throws JsonProcessingException {
        assertThat(id(", suspend: true, retries: 9, runtime: {image: x}, ttlSecondsAfterFinished: 1"))
                .isEqualTo(id(""));
    }

    @Test
    void whatMustComeAndWhereItGoesIsPartOfTheRunAndWhatOpensThePlacesIsNot() throws JsonProcessingException {
        String run = id("uri: 'hf://a/b/c'", "uri: 's3://d/e'");

        assertThat(id("uri: 'hf://a/b/c'", "uri: 's3://d/f'")).isNotEqualTo(run);
        assertThat(id("uri: 'hf://a/b/c', sha256: " + "0".repeat(64), "uri: 's3://d/e'"))
                .isNotEqualTo(run);
        assertThat(id("uri: 'hf://a/b/c', secretRef: {name: hub}", "uri: 's3://d/e', secretRef: {name: bucket}"))
                .isEqualTo(run);
    }

    private static String id(String model, String output) throws JsonProcessingException {
        String text = "{baseModel: {%s}, datasets: [{uri: data}], output: {%s}}".formatted(model, output);
        return RunSpec.of("default", "n", Json.STRICT_YAML.readValue(text, LoraTrainingSpec.class))
                .runId();
    }

    @Test
    void defaultWrittenOutIsTheSameRun() throws JsonProcessingException {
        assertThat(id(", training: {steps: 1000, adapter: {rank: 16}}")).isEqualTo(id(""));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hf://owner/model",
                "hf://owner/model@main",
                "hf://owner/model@refs%2Fpr%2F1/unet/model.fp16.safetensors",
                "https://civitai.com/api/download/models/1?type=Model&format=SafeTensor",
                "http://nas:8080/pictures.zip",
                "https://[fd00::1]:9000/pictures.zip",
                "s3://bucket",
                "s3://bucket/pictures/",
                "pvc://models/sd15/model.safetensors",
                "bundled://emoji-sd",
                "../pictures"
            })
    void sourceMayBe(String uri) throws JsonProcessingException {
        assertThat(SpecValidator.problems(ofModel("{uri: '" + uri + "'}"))).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "ftp://example.com/model | ftp://example.com/model",
                "hf://model | hf://model",
                "hf://owner/model@ | hf://owner/model@",
                "https:// | https://…",
                "https://user:password@example.com/a | https://example.com/a",
                "s3://key:password@bucket/a | s3://bucket/a",
                "https://example.com/a b?token=c | https://example.com/a b",
                "s3:///pictures | s3:///pictures",
                "C:/pictures | C:/pictures"
            })
    void sourceMayNotBeAndNoPasswordIsToldOfIt(String uri, String shown) throws JsonProcessingException {
        assertThat(SpecValidator.problems(ofModel("{uri: '" + uri + "'}")))
                .singleElement()
                .asString()
                .startsWith("`spec.baseModel.uri` must be hf://")
                .endsWith(", was \"" + shown + "\"");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "https://example.com/a.zip?X-Amz-Signature=b#c | https://example.com/a.zip",
                "HTTPS://example.com:8443?token=a@b/c | HTTPS://example.com:8443",
                "http://[fd00::1]:9000/a?b | http://[fd00::1]:9000/a",
                "https://user:pass/word@example.com/a | https://…",
                "https://user:pass?word@example.com/a | https://…",
                "https://example.com/@scope/a | https://example.com/@scope/a",
                "s3://bucket/what?/a#b | s3://bucket/what?/a#b",
                "hf://owner/model@main/a | hf://owner/model@main/a",
                "a folder/what? | a folder/what?"
            })
    void queryIsLeftOutOfWhatIsShown(String uri, String shown) {
        assertThat(Uris.shown(uri)).isEqualTo(shown);
    }

    @Test
    void othersReadTheSpecWithoutQueriesOfUrls() throws JsonProcessingException {
        String vae = ", vae: {uri: 'https://b/c%s'}, secretRef: {name: hub}}";
        LoraTrainingSpec signed = ofModel("{uri: 'https://a/b?sig=1'" + vae.formatted("?sig=2"));

        assertThat(RunSpec.of("default", "n", signed).shown())
                .isEqualTo(ofModel("{uri: 'https://a/b'" + vae.formatted("")));
        assertThat(RunSpec.of("default", "n", spec("")).shown()).isEqualTo(spec(""));
    }

    @Test
    void digestNeedsAFileAndASecretAPlaceThatIsRemote() throws JsonProcessingException {
        String digest = ", sha256: " + "a".repeat(64);

        assertThat(SpecValidator.problems(
                        ofModel("{uri: 'hf://a/b/c.safetensors', secretRef: {name: hub}" + digest + "}")))
                .isEmpty();
        assertThat(SpecValidator.problems(ofModel("{uri: 's3://a/b'" + digest + "}")))
                .isEmpty();
        assertThat(SpecValidator.problems(ofModel("{uri: 'bundled://a', secretRef: {name: hub}" + digest + "}")))
                .containsExactly(
                        "`spec.baseModel.sha256` must be unset where uri names a folder, prefix or repository, as \"bundled://a\" does",
                        "`spec.baseModel.secretRef` must be unset where uri is not hf://, https:// or s3://, was \"hub\"");
        assertThat(SpecValidator.problems(spec(", output: {secretRef: {name: bucket}}")))
                .containsExactly("`spec.output.secretRef` must be unset where uri is not s3://, was \"bucket\"");
    }

    private static LoraTrainingSpec ofModel(String model) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue(
                "{baseModel: " + model + ", datasets: [{uri: data}]}", LoraTrainingSpec.class);
    }

    @Test
    void everyProblemIsReportedWithFieldAndValue() throws JsonProcessingException {
        LoraTrainingSpec wrong = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: 'ftp://x'}, datasets: [{uri: a}, {uri: b}], preparation: {resolution: 100},"
                        + " training: {steps: 5, optimizer: {learningRate: 0, schedule: {warmupSteps: 5}}}}",
                LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(wrong))
                .anyMatch(p ->
                        p.startsWith("`spec.baseModel.uri` must be hf://OWNER/REPOSITORY@REVISION/PATH, https://HOST"))
                .contains(
                        "`spec.datasets` must have distinct names, had \"main\" twice",
                        "`spec.preparation.resolution` must be a multiple of 64, was 100",
                        "`spec.training.optimizer.learningRate` must be greater than 0, was 0.0",
                        "`spec.training.optimizer.schedule.warmupSteps` must be less than steps (5), was 5")
                .hasSize(5);
    }

    @Test
    void validSpecHasNoProblems() throws JsonProcessingException {
        assertThat(SpecValidator.problems(spec(""))).isEmpty();
    }

    @Test
    void checkpointsMayBeFurtherApartThanTheRunIsLong() throws JsonProcessingException {
        assertThat(SpecValidator.problems(spec(", training: {steps: 5, checkpoints: {everySteps: 6}}")))
                .isEmpty();
    }

    @Test
    void objectAndFaceWithoutATriggerAreCalledTokAndAStyleIsCalledNothing() throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: b}, datasets: [{name: a, uri: a, concept: {}}, {name: b, uri: b, concept: {mode: Object}},"
                        + " {name: c, uri: c, concept: {mode: Face}}]}",
                LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(spec)).isEmpty();
        assertThat(spec.datasets())
                .extracting(DatasetSpec::concept)
                .extracting("trigger")
                .containsExactly(null, "TOK", "TOK");
    }

    @Test
    void stepsAndEpochsExcludeEachOtherAndStepsHaveADefaultOnlyWithoutEpochs() throws JsonProcessingException {
        assertThat(SpecValidator.problems(spec(", training: {steps: 5, epochs: 2}")))
                .containsExactly("`spec.training` must have steps or epochs and not both, had steps 5 and epochs 2");
        assertThat(SpecValidator.problems(spec(", training: {epochs: 2, optimizer: {schedule: {warmupSteps: 5000}}}")))
                .isEmpty();
        assertThat(spec(", training: {epochs: 2}").training().steps()).isNull();
        assertThat(spec(", training: {batchSize: 2}").training().steps()).isEqualTo(1000);
    }
}
