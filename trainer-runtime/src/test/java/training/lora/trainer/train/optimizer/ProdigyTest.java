package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.TrainingGoldens;
import training.lora.trainer.train.TrainingSpecs;

class ProdigyTest {
    private static final Shape SHAPE = new Shape(12);

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final NDArray parameters = Randomness.normal(manager, 1, SHAPE);
    private final NDArray centre = Randomness.normal(manager, 2, SHAPE).mul(3);
    private final NDArray weight = Randomness.normal(manager, 3, SHAPE).pow(2);

    /** The gradient of sum((p - centre)^2 * weight), and some noise. */
    private NDArray gradient(int k, NDManager scope) {
        NDArray gradient = parameters
                .sub(centre)
                .mul(weight)
                .mul(2)
                .add(Randomness.normal(scope, 100 + k, SHAPE).mul(0.1f));
        gradient.attach(scope);
        return gradient;
    }

    private ParameterTable single(OptimizerSpec settings) {
        return ParameterTable.single(parameters.size(), ParameterGroup.of(settings));
    }

    private static double d(Prodigy optimizer) {
        return Objects.requireNonNull(optimizer.state().get("estimate")).getFloat(0);
    }

    @Test
    void followsProdigyopt() throws IOException {
        follow("plain", "weightDecay: 0, maxGradientNorm: 1e9", new Prodigy.Variant(false, false), 0);
    }

    @Test
    void followsProdigyoptWithCorrectionWarmupDecayAndClipping() throws IOException {
        follow("corrected", "weightDecay: 0.01, beta2: 0.99", Prodigy.Variant.DIFFUSION, 5);
    }

    private void follow(String name, String fields, Prodigy.Variant variant, int warmup) throws IOException {
        JsonNode golden = TrainingGoldens.values().get("prodigy").get(name);
        OptimizerSpec settings = TrainingSpecs.of("optimizer: {type: Prodigy, %s}".formatted(fields))
                .optimizer();
        assertThat(golden).hasSizeGreaterThanOrEqualTo(20);
        try (manager;
                Prodigy optimizer = new Prodigy(single(settings), parameters, settings, variant, manager)) {
            for (int k = 0; k < golden.size(); k++) {
                optimizer.step(
                        gradient(k, manager),
                        Rates.constant(k, warmup == 0 ? 1 : Math.min(1, k / (double) warmup), 1),
                        manager);

                float[] expected = TrainingGoldens.floats(golden.get(k));
                assertThat(d(optimizer)).as("d of step %d", k).isCloseTo(expected[0], Percentage.withPercentage(0.01));
                NDArray moved = manager.create(java.util.Arrays.copyOfRange(expected, 1, expected.length));
                Goldens.assertClose(parameters, moved, 1e-4, "parameters of step " + k);
            }
            assertThat(d(optimizer)).as("an estimate that has grown").isGreaterThan(1e-3);
        }
    }

    @Test
    void goesOnFromItsStateToTheSameBits() {
        OptimizerSpec settings = TrainingSpecs.of("optimizer: {type: Prodigy}").optimizer();
        Map<String, NDArray> kept = new LinkedHashMap<>();
        try (manager;
                Optimizer first = Optimizer.of(settings, single(settings), parameters, manager)) {
            for (int k = 0; k < 20; k++) {
                if (k == 10) {
                    first.state().forEach((name, array) -> kept.put(name, array.duplicate()));
                }
                first.step(gradient(k, manager), Rates.constant(k, 1, 1), manager);
            }
            float[] uninterrupted = parameters.toFloatArray();
            Optimizer second = Optimizer.of(settings, single(settings), parameters, manager);
            second.restore(kept);
            for (int k = 10; k < 20; k++) {
                second.step(gradient(k, manager), Rates.constant(k, 1, 1), manager);
            }

            assertThat(parameters.toFloatArray()).isEqualTo(uninterrupted);
        }
    }

    /** Of parameters from 0, after a step at {@code fields}; text encoders have the last half. */
    private float[] moved(String fields) {
        OptimizerSpec settings = TrainingSpecs.of("optimizer: {type: Prodigy, weightDecay: 0, %s}".formatted(fields))
                .optimizer();
        NDArray all = manager.zeros(SHAPE);
        ParameterTable table = Tables.withText(SHAPE.size(), SHAPE.size() / 2, settings);
        try (Optimizer optimizer = Optimizer.of(settings, table, all, manager)) {
            optimizer.step(
                    gradient(0, manager), Rates.constant(0, 1, table.groups().size()), manager);
            return all.toFloatArray();
        }
    }

    @Test
    void textEncodersMoveByTheirShareOfTheRateThatIsFoundForAll() {
        try (manager) {
            float[] together = moved("learningRate: 1");
            float[] apart = moved("learningRate: 1, textEncoderLearningRate: 0.25");

            for (int i = 0; i < together.length; i++) {
                float factor = i < together.length / 2 ? 1 : 0.25f;
                assertThat(together[i]).isNotZero();
                assertThat(apart[i]).as("parameter %d", i).isEqualTo(factor * together[i]);
            }
        }
    }

    /** Parameters after 60 steps: those of {@link #parameters}, over and over; the second half is the text encoders'. */
    private NDArray repeated(long times) {
        OptimizerSpec settings = TrainingSpecs.of(
                        "optimizer: {type: Prodigy, learningRate: 1, textEncoderLearningRate: 0.25, maxGradientNorm: 1e9}")
                .optimizer();
        NDArray all = parameters.tile(times);
        NDArray centres = centre.tile(times);
        NDArray weights = weight.tile(times);
        ParameterTable table = Tables.withText(all.size(), all.size() / 2, settings);
        try (Optimizer optimizer = Optimizer.of(settings, table, all, manager)) {
            for (int k = 0; k < 60; k++) {
                try (NDManager step = manager.newSubManager();
                        NDArray gradient = all.sub(centres)) {
                    optimizer.step(gradient.muli(weights), Rates.constant(k, 1, 2), step);
                }
            }
        }
        return all;
    }

    @Test
    void manyTilesMoveAsOneOfTheSameParametersDoes() {
        int times = 200_000;
        int size = (int) SHAPE.size();
        try (manager) {
            float[] begin = parameters.toFloatArray();
            float[] few = repeated(2).toFloatArray();
            float[] many = repeated(times).toFloatArray();

            assertThat(many.length / 2).as("parameters of a group").isGreaterThan(Prodigy.TILE);
            for (int i = 0; i < many.length; i++) {
                float start = begin[i % size];
                float expected = few[i % size + (i < many.length / 2 ? 0 : size)];
                double moved = Math.abs(expected - start);
                // Sums in another order change a hundredth of it at most.
                if (!(moved > 5e-5 && Math.abs(many[i] - expected) < moved / 100)) {
                    throw new AssertionError(
                            "parameter %d must come from %s to %s, came to %s".formatted(i, start, expected, many[i]));
                }
            }
        }
    }

    @Test
    void withoutAnyGradientNothingMoves() {
        OptimizerSpec settings = TrainingSpecs.of("optimizer: {type: Prodigy}").optimizer();
        float[] before = parameters.toFloatArray();
        try (manager;
                Prodigy optimizer =
                        new Prodigy(single(settings), parameters, settings, Prodigy.Variant.DIFFUSION, manager)) {
            optimizer.step(manager.zeros(SHAPE), Rates.constant(0, 1, 1), manager);

            assertThat(parameters.toFloatArray()).isEqualTo(before);
            assertThat(d(optimizer)).isEqualTo(1e-6f);
        }
    }
}
