package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.api.Test;

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
    void defaultWrittenOutIsTheSameRun() throws JsonProcessingException {
        assertThat(id(", training: {steps: 1000, adapter: {rank: 16}}")).isEqualTo(id(""));
    }

    @Test
    void everyProblemIsReportedWithFieldAndValue() throws JsonProcessingException {
        LoraTrainingSpec wrong = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: 'ftp://x'}, datasets: [{uri: a}, {uri: b}], preparation: {resolution: 100},"
                        + " training: {steps: 5, optimizer: {learningRate: 0, schedule: {warmupSteps: 5}}}}",
                LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(wrong))
                .anyMatch(p -> p.startsWith("`spec.baseModel.uri` must be bundled://NAME, pvc://CLAIM/PATH, or a path"))
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
    void styleNeedsNoTriggerAndAnObjectDoes() throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: b}, datasets: [{name: a, uri: a, concept: {}}, {name: b, uri: b, concept: {mode: Object}}]}",
                LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(spec))
                .containsExactly("`spec.datasets[1].concept.trigger` must be given where mode is Object");
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
