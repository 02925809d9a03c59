package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.trainer.train.TrainingSpecs;

class UnfoundRateTest {
    private static @Nullable String sentence(String training, Map<Integer, Double> found) {
        return new UnfoundRate(TrainingSpecs.of(training), 161).sentence(found);
    }

    @Test
    void aDistanceThatHasGrownTenfoldByTheMiddleIsFound() {
        assertThat(sentence("optimizer: {type: Prodigy}", Map.of(0, 1e-5))).isNull();
        assertThat(sentence("optimizer: {type: AdamW}", Map.of())).isNull();
    }

    @Test
    void oneThatHasNotIsToldWithWhatMayHelp() {
        assertThat(sentence("optimizer: {type: Prodigy}", Map.of(0, 4e-6)))
                .startsWith(
                        "by step 80 of 161 Prodigy has found a rate of 0.000004000 for the adapter, having begun at 0.000001000")
                .contains("a higher `training.optimizer.dCoefficient` may help");
    }

    @Test
    void tokensHaveADistanceOfTheirOwn() {
        assertThat(sentence(
                        "optimizer: {type: Prodigy}, tokens: {count: 1, optimizer: Prodigy}", Map.of(0, 1e-4, 1, 1e-6)))
                .contains("Prodigy has found a rate of 0.000001000 for the tokens")
                .contains("a higher `training.tokens.learningRate` may help");
        assertThat(sentence("method: TextualInversion, tokens: {count: 1, optimizer: Prodigy}", Map.of(0, 1e-6)))
                .contains(" for the tokens");
    }
}
