package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.TrainingSpecs;

class OptimizerSetTest {
    private static final Shape ADAPTER = new Shape(50);
    private static final Shape TOKENS = new Shape(12);

    private final OptimizerSpec settings = TrainingSpecs.of("optimizer: {type: Prodigy, schedule: {type: Constant}}")
            .optimizer();
    private final ParameterTable adapter = ParameterTable.single(ADAPTER.size(), ParameterGroup.of(settings));
    private final ParameterTable tokens = ParameterTable.single(TOKENS.size(), ParameterGroup.of(settings));

    private record Trained(OptimizerSet set, NDArray adapter, NDArray tokens, NDArray gradient, NDArray tokenGradient) {
        void step(int k, NDManager manager) {
            try (NDManager scope = manager.newSubManager()) {
                gradient.addi(adapter.sub(5)).addi(Randomness.normal(scope, 10 + k, ADAPTER));
                tokenGradient.addi(tokens.add(2)).addi(Randomness.normal(scope, 30 + k, TOKENS));
                set.step(new LearningRates(set.tables(), 100).at(k, 1), scope);
            }
        }
    }

    private Trained begin(NDManager manager) {
        NDArray a = Randomness.normal(manager, 1, ADAPTER);
        NDArray t = Randomness.normal(manager, 2, TOKENS);
        NDArray ga = manager.zeros(ADAPTER);
        NDArray gt = manager.zeros(TOKENS);
        OptimizerSet set = new OptimizerSet();
        set.add("", Optimizer.of(settings, adapter, a, manager), ga);
        set.add("tokens.", Optimizer.of(settings, tokens, t, manager), gt);
        return new Trained(set, a, t, ga, gt);
    }

    @Test
    void anAdapterMovesAsWithoutTokensAndEachFindsItsOwnRate() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Trained both = begin(manager);
            NDArray alone = Randomness.normal(manager, 1, ADAPTER);
            try (Optimizer one = Optimizer.of(settings, adapter, alone, manager)) {
                for (int k = 0; k < 40; k++) {
                    both.step(k, manager);
                    NDArray gradient = alone.sub(5).add(Randomness.normal(manager, 10 + k, ADAPTER));
                    one.step(gradient, Rates.constant(k, 1, 1), manager);
                }

                assertThat(both.adapter().toFloatArray()).isEqualTo(alone.toFloatArray());
                Map<String, NDArray> state = both.set().state();
                assertThat(state).containsKeys("parameters", "estimate", "tokens.parameters", "tokens.estimate");
                assertThat(Objects.requireNonNull(state.get("tokens.estimate")).getFloat(0))
                        .isNotEqualTo(
                                Objects.requireNonNull(state.get("estimate")).getFloat(0));
            }
            both.set().close();
        }
    }

    @Test
    void goesOnFromItsStateToTheSameBits() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Trained first = begin(manager);
            Map<String, NDArray> kept = new LinkedHashMap<>();
            for (int k = 0; k < 10; k++) {
                if (k == 5) {
                    first.set().state().forEach((name, array) -> kept.put(name, array.duplicate()));
                }
                first.step(k, manager);
            }
            Trained second = begin(manager);
            second.set().restore(kept);
            for (int k = 5; k < 10; k++) {
                second.step(k, manager);
            }

            assertThat(second.adapter().toFloatArray())
                    .isEqualTo(first.adapter().toFloatArray());
            assertThat(second.tokens().toFloatArray()).isEqualTo(first.tokens().toFloatArray());
            first.set().close();
            second.set().close();
        }
    }

    @Test
    void theNormIsOfAllGradients() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Trained both = begin(manager);
            both.gradient().addi(3.0 / Math.sqrt(ADAPTER.size()));
            both.tokenGradient().addi(4.0 / Math.sqrt(TOKENS.size()));

            float norm = both.set()
                    .step(new LearningRates(List.of(adapter, tokens), 20).at(0, 1), manager)
                    .getFloat();

            assertThat(norm).isCloseTo(5, within(1e-4f));
            both.set().close();
        }
    }
}
