package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Arrays;
import org.assertj.core.data.Percentage;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.LossSpec;
import training.lora.api.Prediction;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.Schedules;
import training.lora.trainer.train.TrainingGoldens;
import training.lora.trainer.train.TrainingSpecs;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchBuilder;
import training.lora.trainer.train.batch.Told;

class ObjectiveTest {
    private static final Shape SHAPE = new Shape(2, 4, 2, 3);

    private final Objective uniform = objective("weighting: Uniform", Prediction.Epsilon);

    private static Objective objective(String loss, Prediction prediction) {
        return new Objective(
                Schedules.predicting(prediction),
                TrainingSpecs.of("loss: {" + loss + "}").loss());
    }

    private static Batch batch(NDManager scope, float @Nullable [] mask) {
        return batch(SHAPE, mask == null ? null : scope.create(mask, new Shape(2, 1, 2, 3)), scope);
    }

    private static Batch batch(Shape shape, @Nullable NDArray mask, NDManager scope) {
        NDArray noise = Randomness.normal(scope, 2, shape);
        return BatchBuilder.builder()
                .latents(Randomness.normal(scope, 1, shape))
                .noise(noise)
                .inputNoise(noise)
                .timesteps(new int[] {100, 900})
                .told(new Told.Embedded(Conditioning.of(scope.zeros(new Shape(2, 1, 1)))))
                .weights(new float[] {1, 1})
                .mask(mask)
                .build();
    }

    @Test
    void lossIsTheMeanOfSquaresAndPartsAddUpToIt() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch batch = batch(scope, null);
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            float mean = prediction.sub(batch.noise()).pow(2).mean().getFloat();

            assertThat(uniform.of(prediction, batch, 2, scope).loss().getFloat())
                    .isCloseTo(mean, within(1e-6f));
            assertThat(uniform.of(prediction, batch, 8, scope).loss().getFloat())
                    .isCloseTo(mean / 4, within(1e-6f));
        }
    }

    @Test
    void lossOfASampleIsMultipliedByItsWeight() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Batch batch = batch(scope, null);
            Batch weighted = BatchBuilder.builder(batch)
                    .weights(new float[] {0.5f, 3})
                    .mask(null)
                    .build();
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            NDArray squares = prediction.sub(batch.noise()).pow(2);
            float first = squares.get(0).mean().getFloat();
            float second = squares.get(1).mean().getFloat();

            assertThat(uniform.of(prediction, weighted, 2, scope).loss().getFloat())
                    .isCloseTo((0.5f * first + 3 * second) / 2, within(1e-6f));
        }
    }

    @Test
    void maskOfOnesChangesNothing() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            LossTerm.Value plain = uniform.of(prediction, batch(scope, null), 2, scope);
            float[] ones = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
            LossTerm.Value masked = uniform.of(prediction, batch(scope, ones), 2, scope);

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

            LossTerm.Value value = uniform.of(prediction, batch, 2, scope);

            assertThat(value.loss().getFloat()).isCloseTo((first + second) / 2, within(1e-6f));
            assertThat(value.gradient().get("0, :, 1, :").abs().toFloatArray()).containsOnly(0);
            assertThat(value.gradient().get("0, :, 0, 0").toFloatArray()).doesNotContain(0);
        }
    }

    @Test
    void sampleWithAnEmptyMaskCountsNothing() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            NDArray prediction = Randomness.normal(scope, 3, SHAPE);
            LossTerm.Value value = uniform.of(prediction, batch(scope, new float[12]), 2, scope);

            assertThat(value.loss().getFloat()).isZero();
            assertThat(value.gradient().abs().toFloatArray()).containsOnly(0);
        }
    }

    /** Against autograd: both predictions, every weighting, squared and Huber, with and without a mask. */
    @Test
    void lossesAndGradientsAreThoseOfTorch() throws IOException {
        Shape shape = new Shape(2, 2, 3, 4);
        JsonNode goldens = TrainingGoldens.values().get("losses");
        assertThat(goldens).hasSize(24);
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            NDArray predicted = Randomness.normal(scope, 3, shape);
            NDArray logits = Randomness.normal(scope, 4, new Shape(2, 1, 3, 4));
            NDArray mask = logits.neg().exp().add(1).pow(-1);
            for (JsonNode golden : goldens) {
                Objective objective = objective(
                        golden.get(1).asText(), Prediction.valueOf(golden.get(0).asText()));
                float[] expected = TrainingGoldens.floats(golden.get(3));
                Batch batch = batch(shape, golden.get(2).asBoolean() ? mask : null, scope);

                LossTerm.Value value = objective.of(predicted, batch, batch.timesteps().length, scope);

                String name = golden.get(0) + ", " + golden.get(1) + ", masked " + golden.get(2);
                assertThat(value.loss().getFloat()).as(name).isCloseTo(expected[0], Percentage.withPercentage(1e-3));
                float[] gradient = Arrays.copyOfRange(expected, 1, expected.length);
                Goldens.assertClose(value.gradient(), scope.create(gradient, shape), 1e-4, name);
            }
        }
    }

    /** Values at timestep 100 of Stable Diffusion's schedule, where SNR is 8.454. */
    @Test
    void minSnrWeighsPredictedNoiseAndVelocityDifferently() {
        LossSpec minSnr = TrainingSpecs.of("").loss();
        double snr = Schedules.STABLE_DIFFUSION.signalToNoise(100);

        assertThat(TimestepWeight.of(minSnr, Prediction.Epsilon, snr)).isCloseTo(0.5914, within(1e-4));
        assertThat(TimestepWeight.of(minSnr, Prediction.V, snr)).isCloseTo(0.5289, within(1e-4));
        assertThat(TimestepWeight.of(minSnr, Prediction.Epsilon, 2)).isEqualTo(1);
        assertThat(TimestepWeight.of(minSnr, Prediction.V, 0)).isZero();
    }
}
