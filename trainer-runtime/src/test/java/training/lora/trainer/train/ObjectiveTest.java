package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.Conditioning;
import training.lora.trainer.model.Schedule;
import training.lora.trainer.tensor.Randomness;

class ObjectiveTest {
    private static final NoiseSchedule SCHEDULE = NoiseSchedule.of(
            new Schedule(1000, 0.00085, 0.012, Schedule.Betas.ScaledLinear, Schedule.Spacing.Trailing, 1));
    private static final Shape SHAPE = new Shape(2, 4, 2, 3);

    private final Objective uniform = new Objective(
            SCHEDULE, TrainingSpecs.of("loss: {weighting: Uniform}").loss());

    private static Batch batch(NDManager scope, float @Nullable [] mask) {
        return new Batch(
                Randomness.normal(scope, 1, SHAPE),
                Randomness.normal(scope, 2, SHAPE),
                new int[] {100, 900},
                Conditioning.of(scope.zeros(new Shape(2, 1, 1))),
                new float[] {1, 1},
                mask == null ? null : scope.create(mask, new Shape(2, 1, 2, 3)));
    }

    @Test
    void lossIsTheMeanOfSquaresAndPartsAddUpToIt() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch batch = batch(scope, null);
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            float mean = prediction.sub(batch.noise()).pow(2).mean().getFloat();

            assertThat(uniform.of(prediction, batch, 1, scope).loss().getFloat())
                    .isCloseTo(mean, within(1e-6f));
            assertThat(uniform.of(prediction, batch, 4, scope).loss().getFloat())
                    .isCloseTo(mean / 4, within(1e-6f));
        }
    }

    @Test
    void lossOfASampleIsMultipliedByItsWeight() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch batch = batch(scope, null);
            Batch weighted = new Batch(
                    batch.latents(), batch.noise(), batch.timesteps(), batch.context(), new float[] {0.5f, 3}, null);
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            NDArray squares = prediction.sub(batch.noise()).pow(2);
            float first = squares.get(0).mean().getFloat();
            float second = squares.get(1).mean().getFloat();

            assertThat(uniform.of(prediction, weighted, 1, scope).loss().getFloat())
                    .isCloseTo((0.5f * first + 3 * second) / 2, within(1e-6f));
        }
    }

    @Test
    void maskOfOnesChangesNothing() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            LossTerm.Value plain = uniform.of(prediction, batch(scope, null), 1, scope);
            float[] ones = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
            LossTerm.Value masked = uniform.of(prediction, batch(scope, ones), 1, scope);

            assertThat(masked.loss().getFloat()).isCloseTo(plain.loss().getFloat(), within(1e-6f));
            assertThat(masked.gradient().toFloatArray())
                    .containsExactly(plain.gradient().toFloatArray(), within(1e-7f));
        }
    }

    @Test
    void maskedLossIsTheMeanOverTheMaskedPlaces() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch batch = batch(scope, new float[] {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f, 0.5f});
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            NDArray squares = prediction.sub(batch.noise()).pow(2);
            float first = squares.get("0, :, 0, 0").mean().getFloat();
            float second = squares.get("1, :, 1, 1:").mean().getFloat();

            LossTerm.Value value = uniform.of(prediction, batch, 1, scope);

            assertThat(value.loss().getFloat()).isCloseTo((first + second) / 2, within(1e-6f));
            assertThat(value.gradient().get("0, :, 1, :").abs().toFloatArray()).containsOnly(0);
            assertThat(value.gradient().get("0, :, 0, 0").toFloatArray()).doesNotContain(0);
        }
    }

    @Test
    void sampleWithAnEmptyMaskCountsNothing() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            LossTerm.Value value = uniform.of(prediction, batch(scope, new float[12]), 1, scope);

            assertThat(value.loss().getFloat()).isZero();
            assertThat(value.gradient().abs().toFloatArray()).containsOnly(0);
        }
    }
}
