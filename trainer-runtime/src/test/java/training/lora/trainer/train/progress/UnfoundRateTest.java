package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.trainer.train.TrainingSpecs;

class UnfoundRateTest {
    private static final String BOTH = "optimizer: {type: Prodigy}, tokens: {count: 1, optimizer: Prodigy}";

    private static MeasuredStep step(Map<Integer, Double> found) {
        return new MeasuredStep(0.1, 1, Map.of(), found);
    }

    /** Of the steps 80 and 81, the latter of which is the middle. */
    private static List<String> sentences(String training, Map<Integer, Double> found) {
        return new UnfoundRate(TrainingSpecs.of(training), List.of(81, 81))
                .sentences(79, List.of(step(Map.of(0, 1e-6)), step(found)));
    }

    @Test
    void aDistanceThatHasGrownTenfoldByTheMiddleIsFound() {
        assertThat(sentences("optimizer: {type: Prodigy}", Map.of(0, 1e-5))).isEmpty();
        assertThat(sentences("optimizer: {type: AdamW}", Map.of())).isEmpty();
    }

    @Test
    void oneThatHasNotIsToldWithWhatMayHelp() {
        assertThat(sentences("optimizer: {type: Prodigy}", Map.of(0, 4e-6)))
                .singleElement()
                .asString()
                .startsWith(
                        "by step 81 Prodigy has found a rate of 0.000004000 for the adapter, having begun at 0.000001000")
                .contains("a higher `training.optimizer.dCoefficient` may help");
    }

    @Test
    void tokensHaveADistanceOfTheirOwn() {
        assertThat(sentences(BOTH, Map.of(0, 1e-4, 1, 1e-6)))
                .singleElement()
                .asString()
                .contains("Prodigy has found a rate of 0.000001000 for the tokens")
                .contains("a higher `training.tokens.learningRate` may help");
        assertThat(sentences("method: TextualInversion, tokens: {count: 1, optimizer: Prodigy}", Map.of(0, 1e-6)))
                .singleElement()
                .asString()
                .contains(" for the tokens");
        assertThat(sentences(BOTH, Map.of(0, 1e-6, 1, 1e-6))).hasSize(2);
    }

    @Test
    void eachIsToldInItsOwnMiddleAlone() {
        UnfoundRate unfound = new UnfoundRate(TrainingSpecs.of(BOTH), List.of(3, 2));
        MeasuredStep none = step(Map.of(0, 1e-6, 1, 1e-6));

        assertThat(unfound.sentences(0, List.of(none))).isEmpty();
        assertThat(unfound.sentences(1, List.of(none)))
                .singleElement()
                .asString()
                .contains("by step 2 ")
                .contains("tokens");
        assertThat(unfound.sentences(2, List.of(none)))
                .singleElement()
                .asString()
                .contains("by step 3 ")
                .contains("adapter");
        assertThat(unfound.sentences(3, List.of(none, none))).isEmpty();
    }
}
