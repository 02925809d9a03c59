package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.TrainingSpecs;

/** Groups of parameters that move at times of their own. */
class GroupsTest {
    private static final int STEPS = 10;
    private static final Shape FIRST = new Shape(6, 40);
    private static final Shape SECOND = new Shape(30, 6);

    private static OptimizerSpec settings(OptimizerType type) {
        return TrainingSpecs.of(
                        "optimizer: {type: %s, maxGradientNorm: 1e9, schedule: {type: Constant}}".formatted(type))
                .optimizer();
    }

    /** Two tensors, of which the first moves from {@code start} on and the second to {@code stop}. */
    private static ParameterTable table(OptimizerSpec settings, double start, double stop) {
        ParameterGroup all = ParameterGroup.of(settings);
        return new ParameterTable(
                List.of(
                        new ParameterTensor("first", 0, FIRST, 0),
                        new ParameterTensor("second", FIRST.size(), SECOND, 1)),
                List.of(
                        ParameterGroupBuilder.builder(all).start(start).build(),
                        ParameterGroupBuilder.builder(all).stop(stop).build()));
    }

    private static NDArray gradient(int k, NDManager manager) {
        return Randomness.normal(manager, 100 + k, new Shape(FIRST.size() + SECOND.size()));
    }

    private static float[] part(NDArray all, boolean first) {
        return (first ? all.get(":" + FIRST.size()) : all.get(FIRST.size() + ":")).toFloatArray();
    }

    @Test
    void theMiddleIsThatOfTheStepsInWhichAnyGroupMoves() {
        OptimizerSpec settings = settings(OptimizerType.Prodigy);
        ParameterGroup late = ParameterGroupBuilder.builder(ParameterGroup.of(settings))
                .start(0.6)
                .build();
        ParameterTable one = new ParameterTable(List.of(new ParameterTensor("first", 0, FIRST, 0)), List.of(late));

        assertThat(new LearningRates(List.of(one, table(settings, 0.4, 0.2)), STEPS).middles())
                .containsExactly(8, 5);
    }

    @ParameterizedTest
    @EnumSource
    void whatStartsLaterMovesAsItWouldHaveMovedAlone(OptimizerType type) {
        OptimizerSpec settings = settings(type);
        ParameterTable table = table(settings, 0.4, 0.4);
        LearningRates rates = new LearningRates(List.of(table), STEPS);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray together = Randomness.normal(manager, 1, new Shape(table.size()));
            float[] begin = together.toFloatArray();
            float[] half = begin;
            try (Optimizer optimizer = Optimizer.of(settings, table, together, manager)) {
                for (int k = 0; k < STEPS; k++) {
                    NDArray gradient = gradient(k, manager);
                    optimizer.step(gradient, rates.at(k, 1).get(0), manager);
                    half = k == 3 ? together.toFloatArray() : half;

                    assertThat(gradient.toFloatArray()).containsOnly(0);
                }
            }

            assertThat(part(manager.create(half), true)).isEqualTo(part(manager.create(begin), true));
            assertThat(part(together, false)).isEqualTo(part(manager.create(half), false));
            if (!type.findsItsRate()) {
                // Whose d the second has found by then.
                assertThat(part(together, true)).isEqualTo(alone(settings, true, 4, STEPS));
            }
            assertThat(part(together, false)).isEqualTo(alone(settings, false, 0, 4));
        }
    }

    /** A tensor after the steps of {@code begin} to {@code end}. */
    private static float[] alone(OptimizerSpec settings, boolean first, int begin, int end) {
        ParameterTable table = new ParameterTable(
                List.of(new ParameterTensor("alone", 0, first ? FIRST : SECOND, 0)),
                List.of(ParameterGroup.of(settings)));
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray all = Randomness.normal(manager, 1, new Shape(FIRST.size() + SECOND.size()));
            NDArray parameters = manager.create(part(all, first));
            try (Optimizer optimizer = Optimizer.of(settings, table, parameters, manager)) {
                for (int k = begin; k < end; k++) {
                    NDArray gradient = manager.create(part(gradient(k, manager), first));
                    double rate = settings.highestLearningRate();
                    optimizer.step(gradient, Rates.constant(k - begin, rate, 1), manager);
                }
            }
            return parameters.toFloatArray();
        }
    }

    @Test
    void gradientsOfWhatDoesNotMoveAreNotScaledWithTheOthers() {
        OptimizerSpec settings =
                TrainingSpecs.of("optimizer: {schedule: {type: Constant}}").optimizer();
        ParameterTable table = table(settings, 0.5, 1);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray parameters = manager.zeros(new Shape(table.size()));
            try (Optimizer optimizer = Optimizer.of(settings, table, parameters, manager)) {
                NDArray gradient = gradient(0, manager);
                float second = gradient.get(FIRST.size() + ":").norm().getFloat();

                float norm = optimizer
                        .step(
                                gradient,
                                new LearningRates(List.of(table), STEPS)
                                        .at(0, 1)
                                        .get(0),
                                manager)
                        .getFloat();

                assertThat(norm).isCloseTo(second, org.assertj.core.api.Assertions.within(1e-4f));
            }
        }
    }

    @Test
    void aCourseBeginsWithItsGroupAndEndsWithTheTraining() {
        OptimizerSpec settings = TrainingSpecs.of(
                        "optimizer: {learningRate: 1, schedule: {type: Linear, warmupSteps: 2}}")
                .optimizer();
        LearningRates rates = new LearningRates(List.of(table(settings, 0.25, 0.75)), 8);

        List<Rates> all =
                IntStream.range(0, 8).mapToObj(k -> rates.at(k, 0.5).get(0)).toList();

        assertThat(all.stream().map(r -> r.groups().get(0).moving()))
                .containsExactly(false, false, true, true, true, true, true, true);
        assertThat(all.stream().map(r -> r.groups().get(1).moving()))
                .containsExactly(true, true, true, true, true, true, false, false);
        assertThat(all.stream().map(r -> r.groups().get(0).rate()))
                .containsExactly(0.0, 0.0, 0.0, 0.25, 0.5, 0.375, 0.25, 0.125);
        assertThat(all.stream().map(r -> r.groups().get(0).step())).endsWith(0, 1, 2, 3, 4, 5);
    }

    @Test
    void aTableHasNoGapsAndNoEmptyGroups() {
        ParameterGroup group = ParameterGroup.of(settings(OptimizerType.AdamW));
        ParameterTensor late = new ParameterTensor("late", 1, new Shape(3), 0);
        ParameterTensor begin = new ParameterTensor("begin", 0, new Shape(3), 0);

        assertThatThrownBy(() -> new ParameterTable(List.of(late), List.of(group)))
                .hasMessageContaining("late must begin at 0");
        assertThatThrownBy(() -> new ParameterTable(List.of(begin), List.of(group, group)))
                .hasMessageContaining("group 1 must have a tensor");
    }
}
