package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
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
