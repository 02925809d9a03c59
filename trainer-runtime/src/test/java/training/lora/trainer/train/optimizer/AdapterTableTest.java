package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.train.TrainingSpecs;

class AdapterTableTest {
    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final UNet unet = UNet.random(TinyUNets.TINY, 3, manager);

    @AfterEach
    void end() {
        manager.close();
    }

    private ParameterTable table(String training) {
        TrainingSpec spec = TrainingSpecs.of(training);
        LoraAdapter adapter = LoraAdapter.create(unet.projections(), LoraSettings.of(spec.adapter()), 5, manager);
        ParameterTable table = AdapterTable.of(adapter, spec);
        assertThat(table.size()).isEqualTo(adapter.parameters().size());
        return table;
    }

    private static List<Double> factors(ParameterTable table, Predicate<String> names) {
        return table.tensors().stream()
                .filter(tensor -> names.test(tensor.name()))
                .map(tensor -> table.groups().get(tensor.group()).factor())
                .distinct()
                .toList();
    }

    @Test
    void allIsOneGroupWhereNothingSetsItApart() {
        ParameterTable table = table("adapter: {rank: 2}, optimizer: {weightDecay: 0.02}");

        assertThat(table.groups()).singleElement().satisfies(group -> {
            assertThat(group.rate()).isEqualTo(1e-4);
            assertThat(group.factor()).isEqualTo(1);
            assertThat(group.weightDecay()).isEqualTo(0.02);
        });
        assertThat(table.runs()).hasSize(1);
    }

    @Test
    void loraPlusMovesEveryBAtItsRatio() {
        ParameterTable table = table("adapter: {rank: 2}, optimizer: {loraPlusRatio: 16}");

        assertThat(factors(table, name -> name.endsWith(".Up"))).containsExactly(16.0);
        assertThat(factors(table, name -> name.endsWith(".Down"))).containsExactly(1.0);
        assertThat(table.groups()).hasSize(2);
    }

    @Test
    void ofOverridesTheLastWithAFactorCounts() {
        ParameterTable table = table(
                "adapter: {rank: 2, overrides: [{target: '*.attn2.*', learningRateFactor: 0.5}, {target: '*.attn2.to_k', learningRateFactor: 3}, {target: '*.to_k', rank: 1}]}, optimizer: {loraPlusRatio: 2}");

        assertThat(factors(table, name -> name.endsWith("attn2.to_k.Down"))).containsExactly(3.0);
        assertThat(factors(table, name -> name.endsWith("attn2.to_q.Up"))).containsExactly(1.0);
        assertThat(factors(table, name -> name.endsWith("attn2.to_q.Down"))).containsExactly(0.5);
        assertThat(factors(table, name -> name.endsWith("attn1.to_k.Down"))).containsExactly(1.0);
    }

    @Test
    void aFactorOfNothingIsRefusedByItsField() {
        TrainingSpec spec =
                TrainingSpecs.of("adapter: {rank: 2, overrides: [{target: '*.to_nothing', learningRateFactor: 3}]}");
        LoraAdapter adapter =
                LoraAdapter.create(unet.projections(), new LoraSettings(2, 2, List.of("Attention")), 5, manager);

        assertThatThrownBy(() -> AdapterTable.of(adapter, spec))
                .hasMessageStartingWith("`spec.training.adapter.overrides[0].target` must be a group or match");
    }

    @Test
    void theDenoiserMovesInItsTime() {
        ParameterTable table =
                table("adapter: {rank: 2, textEncoder: true}, optimizer: {startFraction: 0.25, stopFraction: 0.75}");

        assertThat(table.groups()).singleElement().satisfies(group -> {
            assertThat(group.first(8)).isEqualTo(2);
            assertThat(group.end(8)).isEqualTo(6);
        });
    }
}
