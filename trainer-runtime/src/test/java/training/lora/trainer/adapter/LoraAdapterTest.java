package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.Conditioning;
import training.lora.trainer.model.Projection;
import training.lora.trainer.model.ProjectionDeltas;
import training.lora.trainer.model.UNet;
import training.lora.trainer.model.UNetConfig;
import training.lora.trainer.tensor.Randomness;

class LoraAdapterTest {
    private static final UNetConfig TINY = new UNetConfig(
            8, 4, 24, List.of(32, 64), List.of(true, false), 1, List.of(2, 2), List.of(1, 1), 8, 1e-5, false);

    private static NDArray predict(UNet unet, ProjectionDeltas deltas, NDManager scope) {
        return unet.forward(
                Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                scope.create(new float[] {3, 700}),
                Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                deltas);
    }

    @Test
    void zeroLoraBLeavesOutputUnchanged() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TINY, 3, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(), new LoraSettings(4, 8, List.of("Attention")), 5, manager)) {
            NDArray plain = predict(unet, ProjectionDeltas.NONE, manager);

            assertThat(predict(unet, adapter.bind(manager), manager).toFloatArray())
                    .containsExactly(plain.toFloatArray());
        }
    }

    @Test
    void rankStabilizedScaleIsAlphaOverTheRootOfTheRank() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TINY, 3, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(), new LoraSettings(16, 8, true, 0, List.of("Attention")), 5, manager)) {
            assertThat(adapter.bind(manager).byPath().values()).allMatch(d -> d.scale() == 8 / 4.0);
            assertThat(adapter.factors().values()).allMatch(f -> f.alpha() / f.rank() == 8 / 4.0);
        }
    }

    private static float[] recorded(UNet unet, LoraAdapter adapter, long step, NDManager scope) {
        return unet.record(
                        Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                        scope.create(new float[] {3, 700}),
                        Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                        adapter.bind(scope, step))
                .output()
                .toFloatArray();
    }

    @Test
    void dropoutFollowsFromSeedAndStepAndIsOffOutsideTraining() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TINY, 3, manager);
                LoraAdapter source = LoraAdapter.create(
                        unet.projections(), new LoraSettings(4, 8, List.of("Attention")), 5, manager)) {
            Map<String, LoraAdapter.Factors> factors = new HashMap<>();
            source.factors().forEach((path, f) -> {
                float[] up = f.up().clone();
                Arrays.fill(up, 0.1f);
                factors.put(path, new LoraAdapter.Factors(f.rank(), f.alpha(), f.down(), up));
            });
            try (LoraAdapter dropping = LoraAdapter.of(unet.projections(), factors, 0.5, 11, manager)
                            .trainable();
                    LoraAdapter plain = LoraAdapter.of(unet.projections(), factors, manager)) {
                float[] first = recorded(unet, dropping, 1, manager);

                Randomness.normal(manager, 99, new Shape(3));

                assertThat(recorded(unet, dropping, 1, manager)).containsExactly(first);
                assertThat(recorded(unet, dropping, 2, manager)).isNotEqualTo(first);
                assertThat(predict(unet, dropping.bind(manager), manager).toFloatArray())
                        .containsExactly(
                                predict(unet, plain.bind(manager), manager).toFloatArray());
            }
        }
    }

    @Test
    void startsGaussianWithDeviationOneOverRank() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TINY, 3, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(), new LoraSettings(8, 8, List.of("Attention")), 5, manager)) {
            double squares = 0;
            long count = 0;
            for (LoraAdapter.Factors f : adapter.factors().values()) {
                for (float a : f.down()) {
                    squares += (double) a * a;
                    count++;
                }
                assertThat(f.up()).containsOnly(0);
            }

            assertThat(count).isGreaterThan(1000);
            assertThat(Math.sqrt(squares / count) * 8).isBetween(0.95, 1.05);
        }
    }

    @Test
    void targetsAreAGroupOrPatternsAndEachMustMatch() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TINY, 3, manager)) {
            List<Projection> all = unet.projections();

            assertThat(new LoraSettings(4, 4, List.of("Attention")).select(all)).isEqualTo(all);
            assertThat(new LoraSettings(4, 4, List.of("*.attn2.to_k", "*.attn2.to_v")).select(all))
                    .hasSize(2 * all.size() / 8)
                    .allMatch(p -> p.in() == 24);
            assertThatThrownBy(() -> new LoraSettings(4, 4, List.of("Attention", "*.to_x")).select(all))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("*.to_x");
            assertThatThrownBy(() -> new LoraSettings(25, 4, List.of("Attention")).select(all))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("must be at most 24")
                    .hasMessageContaining("was 25");
        }
    }
}
