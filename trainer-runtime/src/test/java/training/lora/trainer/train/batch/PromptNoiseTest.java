package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Test;
import training.lora.trainer.model.unet.Conditioning;

class PromptNoiseTest {
    @Test
    void allTokensButTheFirstAndTheLastTwoHaveNoiseOfTheDeviation() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray context = manager.ones(new Shape(2, 77, 64));

            NDArray noised = new PromptNoise(0.3, 5).on(context, manager);

            NDArray noise = noised.sub(1);
            assertThat(noise.get(":, :1").abs().max().getFloat()).isZero();
            assertThat(noise.get(":, -2:").abs().max().getFloat()).isZero();
            NDArray inside = noise.get(":, 1:-2");
            assertThat(inside.mean().getFloat()).isCloseTo(0, within(0.015f));
            assertThat(inside.square().mean().sqrt().getFloat()).isCloseTo(0.3f, within(0.015f));
            assertThat(context.sub(1).abs().max().getFloat()).isZero();
        }
    }

    @Test
    void itFollowsFromItsSeed() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Told told = new Told.Embedded(Conditioning.of(manager.ones(new Shape(1, 8, 4))));

            NDArray first = context(told.with(new PromptNoise(1, 5), manager));
            NDArray again = context(told.with(new PromptNoise(1, 5), manager));
            NDArray other = context(told.with(new PromptNoise(1, 6), manager));

            assertThat(again).isEqualTo(first);
            assertThat(other).isNotEqualTo(first);
        }
    }

    private static NDArray context(Told told) {
        return ((Told.Embedded) told).conditioning().context();
    }
}
