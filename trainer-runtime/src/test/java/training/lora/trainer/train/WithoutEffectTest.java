package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;

/** Warnings of what a run of new tokens was given for nothing, and of what its samples don't show. */
class WithoutEffectTest {
    private static final String ALONE =
            "with TextualInversion `spec.training.tokens` has the rate and the optimizer, and ";

    private static LoraTrainingSpec spec(String training, String sampling) throws JsonProcessingException {
        return Json.STRICT_YAML.readValue("""
                baseModel: {uri: "pvc://model"}
                datasets: [{uri: "pvc://a", concept: {mode: Object, trigger: qzx}}]
                training: %s
                sampling: %s
                """.formatted(training, sampling), LoraTrainingSpec.class);
    }

    private static List<PromptSpec> drawn(String... texts) {
        return List.of(texts).stream().map(text -> new PromptSpec(text, "", 1L)).toList();
    }

    private static List<String> ofFields(String fields) throws JsonProcessingException {
        String training = "{method: TextualInversion, tokens: {count: 1}, " + fields + "}";
        return WithoutEffect.of(spec(training, "{}"), List.of());
    }

    @Test
    void optimizerAndAdapterOfTokensAloneAreNamed() throws JsonProcessingException {
        assertThat(ofFields("adapter: {type: DoRA}, optimizer: {type: Lion, learningRate: 5}"))
                .containsExactly(
                        ALONE + "optimizer.type Lion, optimizer.learningRate 5.0, adapter.type DoRA have no effect");
        assertThat(WithoutEffect.of(
                        spec("{tokens: {count: 1}, adapter: {type: DoRA}, optimizer: {type: Lion}}", "{}"), List.of()))
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "optimizer: {weightDecay: 0.5} | optimizer.weightDecay 0.5",
                "optimizer: {beta1: 0.5} | optimizer.beta1 0.5",
                "optimizer: {loraPlusRatio: 16} | optimizer.loraPlusRatio 16.0",
                "optimizer: {stopFraction: 0.5} | optimizer.stopFraction 0.5",
                "optimizer: {schedule: {warmupSteps: 5}} | optimizer.schedule.warmupSteps 5",
                "optimizer: {schedule: {type: Linear}} | optimizer.schedule.type Linear",
                "optimizer: {schedule: {finalFraction: 0.5}} | optimizer.schedule.finalFraction 0.5",
                "adapter: {rank: 4} | adapter.rank 4",
                "adapter: {alpha: 4} | adapter.alpha 4.0",
                "adapter: {targets: [FeedForward]} | adapter.targets [\"FeedForward\"]",
                "adapter: {overrides: [{target: a, rank: 2}]} | adapter.overrides [{\"target\":\"a\",\"rank\":2}]"
            })
    void eachFieldThatTokensAloneDontHeedIsNamedWithItsValue(String fields, String named)
            throws JsonProcessingException {
        assertThat(ofFields(fields)).containsExactly(ALONE + named + " has no effect");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "optimizer: {maxGradientNorm: 0.5}",
                "optimizer: {type: AdamW, weightDecay: 0.01, schedule: {type: Cosine, cycles: 3}}",
                "adapter: {rank: 16, targets: [Attention]}"
            })
    void neitherWhatClipsTokensNorDefaultsAreNamed(String fields) throws JsonProcessingException {
        assertThat(ofFields(fields)).isEmpty();
    }

    /** Lion's decay and a schedule-free type's course are theirs, and not what anyone set. */
    @Test
    void whatFollowsFromATypeIsNotNamedBesideIt() throws JsonProcessingException {
        assertThat(ofFields("optimizer: {type: ScheduleFreeAdamW}"))
                .containsExactly(ALONE + "optimizer.type ScheduleFreeAdamW has no effect");
        assertThat(ofFields("optimizer: {type: Lion}")).containsExactly(ALONE + "optimizer.type Lion has no effect");
    }

    @Test
    void aTriggerThatNoPromptSaysIsNamedWhereItHasTokens() throws JsonProcessingException {
        String prompts = "{prompts: [{text: a cat}, {text: a qzxy}]}";

        assertThat(WithoutEffect.of(spec("{tokens: {count: 1}}", prompts), drawn("a cat", "a qzxy")))
                .containsExactly(
                        "no prompt of `spec.sampling.prompts` says qzx, so that no sample shows what its tokens learn");
        assertThat(WithoutEffect.of(spec("{tokens: {count: 1}}", prompts), drawn("a cat", "a Qzx in rain")))
                .isEmpty();
        assertThat(WithoutEffect.of(spec("{}", prompts), drawn("a cat"))).isEmpty();
    }

    @Test
    void withoutPromptsItIsSaidOfCaptions() throws JsonProcessingException {
        assertThat(WithoutEffect.of(spec("{tokens: {count: 1}}", "{}"), drawn("a cat", "a dog")))
                .containsExactly(
                        "the first 2 captions, which samples are drawn of, don't say qzx, so that no sample shows what its tokens learn: set `spec.sampling.prompts`");
    }

    @Test
    void whereNothingIsDrawnNoPromptIsMissed() throws JsonProcessingException {
        assertThat(WithoutEffect.of(
                        spec("{tokens: {count: 1}}", "{enabled: false, prompts: [{text: a cat}]}"), drawn("a cat")))
                .isEmpty();
    }
}
