package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.BaseWeights;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Keep;

class MemoryEstimateTest {
    private static final long GIB = 1L << 30;

    private static MemoryEstimate estimate(Keep keep, BaseWeights form) {
        long weights = form == BaseWeights.Int8 ? 2 * GIB : 4 * GIB;
        long activations = keep == Keep.BlockInputs ? GIB / 2 : 2 * GIB;
        return new MemoryEstimate(GIB, 0, weights, 0, 0, 0, activations, 0, 0);
    }

    private static MemoryChoice chosen(String training) {
        return MemoryChoice.within(TrainingSpecs.of(training), MemoryEstimateTest::estimate);
    }

    @Test
    void whatIsNeededIsUsedTheCheaperFirst() {
        Map<String, MemoryChoice> expected = Map.of(
                "8Gi", new MemoryChoice(Keep.LayerStates, BaseWeights.Full),
                "7.6Gi", new MemoryChoice(Keep.BlockInputs, BaseWeights.Full),
                "6Gi", new MemoryChoice(Keep.LayerStates, BaseWeights.Int8),
                "4Gi", new MemoryChoice(Keep.BlockInputs, BaseWeights.Int8));

        expected.forEach((budget, choice) ->
                assertThat(chosen("memoryBudget: " + budget)).as(budget).isEqualTo(choice));
    }

    @Test
    void whatIsSetStays() {
        assertThat(chosen("memoryBudget: 5Gi, gradientCheckpointing: true"))
                .isEqualTo(new MemoryChoice(Keep.BlockInputs, BaseWeights.Int8));
        assertThatThrownBy(() -> chosen("memoryBudget: 5Gi, baseWeights: Full"))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "`spec.training.memoryBudget` must be at least 6185Mi, the least that this training takes, was 5Gi");
    }

    @Test
    void withoutABudgetNothingIsUsedThatIsNotSet() {
        TrainingSpec none = TrainingSpecs.of("steps: 1");
        TrainingSpec both = TrainingSpecs.of("gradientCheckpointing: true, baseWeights: Int8");

        assertThat(MemoryChoice.possible(none)).containsExactly(new MemoryChoice(Keep.LayerStates, BaseWeights.Full));
        assertThat(MemoryChoice.possible(both)).containsExactly(new MemoryChoice(Keep.BlockInputs, BaseWeights.Int8));
    }

    @Test
    void whatIsOfTheOtherDeviceIsRefused() {
        assertThatThrownBy(() -> MemoryChoice.requireDevice(TrainingSpecs.of("baseWeights: Int8"), true))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("`spec.training.baseWeights` must be Full or Fp8 on a card");
        assertThatThrownBy(() -> MemoryChoice.requireDevice(TrainingSpecs.of("baseWeights: Fp8"), false))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("`spec.training.baseWeights` must be Full or Int8 on the CPU");
        assertThatThrownBy(() -> MemoryChoice.requireDevice(TrainingSpecs.of("memoryBudget: 8Gi"), true))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("`spec.training.memoryBudget` must be unset on a card");
        MemoryChoice.requireDevice(TrainingSpecs.of("memoryBudget: 8Gi, baseWeights: Int8"), false);
        MemoryChoice.requireDevice(TrainingSpecs.of("baseWeights: Fp8, offloadFraction: 0.5"), true);
        assertThatThrownBy(() -> MemoryChoice.requireDevice(TrainingSpecs.of("offloadFraction: 0.5"), false))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "`spec.training.offloadFraction` must be unset on the CPU, whose memory is where weights are anyway, was 0.5");
    }
}
