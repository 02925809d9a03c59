package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;

/** Warnings of what a run of new tokens was given for nothing. */
class WithoutEffectTest {
    private static List<String> of(String training, String... prompts) throws JsonProcessingException {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue("""
                baseModel: {uri: "pvc://model"}
                datasets: [{uri: "pvc://a", concept: {mode: Object, trigger: qzx}}]
                training: %s
                """.formatted(training), LoraTrainingSpec.class);
        return WithoutEffect.of(
                spec,
                List.of(prompts).stream()
                        .map(text -> new PromptSpec(text, "", 1L))
                        .toList());
    }

    @Test
    void optimizerAndAdapterOfTokensAloneAreNamed() throws JsonProcessingException {
        assertThat(of(
                        "{method: TextualInversion, tokens: {count: 1}, adapter: {type: DoRA}, optimizer: {type: Lion, learningRate: 5}}",
                        "a Qzx in rain"))
                .containsExactly(
                        "with TextualInversion `spec.training.tokens` has the rate and the optimizer, and optimizer.type Lion, optimizer.learningRate 5.0, adapter.type DoRA have no effect");
        assertThat(of("{method: TextualInversion, tokens: {count: 1}}", "a qzx"))
                .isEmpty();
        assertThat(of("{tokens: {count: 1}, adapter: {type: DoRA}, optimizer: {type: Lion}}", "a qzx"))
                .isEmpty();
    }

    @Test
    void aTriggerThatNoPromptSaysIsNamedWhereItHasTokens() throws JsonProcessingException {
        assertThat(of("{tokens: {count: 1}}", "a cat", "a qzxy"))
                .containsExactly(
                        "no prompt of `spec.sampling.prompts` says qzx, so that no sample shows what its tokens learn");
        assertThat(of("{tokens: {count: 1}}")).isEmpty();
        assertThat(of("{}", "a cat")).isEmpty();
    }
}
