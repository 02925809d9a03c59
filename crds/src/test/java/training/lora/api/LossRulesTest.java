package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What no rule of the CRD can say of losses. */
class LossRulesTest {
    @ParameterizedTest
    @CsvSource({
        "a QZX in the rain,true",
        "'rain, qzx',true",
        "a qzxy in the rain,false",
        "a zzw in the rain,false",
        "'<caption>, rain',false"
    })
    void textsWithATrainedTriggerAreNotKept(String prompt, boolean refused) throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue("""
                baseModel: {uri: "pvc://model"}
                datasets:
                - {name: a, uri: "pvc://a", concept: {mode: Object, trigger: qzx, className: cat}}
                - {name: c, uri: "pvc://c", concept: {mode: Object, trigger: caption, className: owl}}
                - {name: b, uri: "pvc://b", role: Validation, concept: {mode: Object, trigger: zzw}}
                training: {loss: {preservation: {prompts: [a cat, "%s"]}}}
                """.formatted(prompt), LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(spec).stream()
                        .anyMatch(problem ->
                                problem.endsWith("prompts` must not have the trigger qzx, which is taught, had \"%s\""
                                        .formatted(prompt))))
                .isEqualTo(refused);
        assertThat(SpecValidator.problems(spec)).hasSize(refused ? 1 : 0);
    }

    @ParameterizedTest
    @CsvSource({"a QZX in the rain,0", "a qzxy in the rain,1", "a zzw in the rain,1"})
    void textsThatAreAlignedWithHaveATrainedTrigger(String prompt, int problems) throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue("""
                baseModel: {uri: "pvc://model"}
                datasets:
                - {name: a, uri: "pvc://a", concept: {mode: Object, trigger: qzx, className: cat}}
                - {name: b, uri: "pvc://b", role: Validation, concept: {mode: Object, trigger: zzw}}
                training: {loss: {promptAlignment: {prompt: "%s"}}}
                """.formatted(prompt), LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(spec)).hasSize(problems);
        assertThat(SpecValidator.problems(spec))
                .allMatch(problem -> problem.endsWith(
                        "promptAlignment.prompt` must have a trigger that is taught, was \"%s\"".formatted(prompt)));
    }
}
