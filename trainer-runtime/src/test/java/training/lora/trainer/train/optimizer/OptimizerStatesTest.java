package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;
import training.lora.trainer.train.TrainingSpecs;

/** Laws of all optimizers. */
class OptimizerStatesTest {
    private static final Shape FIRST = new Shape(90, 60);
    private static final Shape SECOND = new Shape(37);
    private static final Shape THIRD = new Shape(64, 80);
    private static final long SIZE = FIRST.size() + SECOND.size() + THIRD.size();

    private static OptimizerSpec settings(OptimizerType type) {
        return TrainingSpecs.of("optimizer: {type: %s}".formatted(type)).optimizer();
    }

    /** Three tensors, of which the last moves at a third of the others' rate. */
    private static ParameterTable table(OptimizerSpec settings) {
        ParameterGroup all = ParameterGroup.of(settings);
        return new ParameterTable(
                List.of(
                        new ParameterTensor("first", 0, FIRST, 0),
                        new ParameterTensor("second", FIRST.size(), SECOND, 0),
                        new ParameterTensor("third", FIRST.size() + SECOND.size(), THIRD, 1)),
                List.of(all, ParameterGroupBuilder.builder(all).factor(1 / 3.0).build()));
    }

    private static void step(Optimizer optimizer, NDArray parameters, int k, NDManager manager) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray gradient = Randomness.normal(scope, 50 + k, new Shape(SIZE));
            try (NDArray distance = parameters.sub(3)) {
                gradient.addi(distance);
            }
            double rate = optimizer.table().groups().get(0).rate();
            optimizer.step(gradient, Rates.constant(k, rate, 2), scope);
            assertThat(gradient.toFloatArray()).containsOnly(0);
        }
    }

    @ParameterizedTest
    @EnumSource
    void goesOnFromAFileOfItsStateToTheSameBitsAndPutsOutTheSame(OptimizerType type, @TempDir Path folder)
            throws IOException {
        OptimizerSpec settings = settings(type);
        Path file = folder.resolve("state.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray parameters = Randomness.normal(manager, 1, new Shape(SIZE));
            Optimizer first = Optimizer.of(settings, table(settings), parameters, manager);
            for (int k = 0; k < 12; k++) {
                if (k == 6) {
                    SafeTensorsWriter.write(file, first.state(), Map.of());
                    // Looked at on the way, which changes nothing.
                    first.output();
                }
                step(first, parameters, k, manager);
            }
            NDArray again = Randomness.normal(manager, 2, new Shape(SIZE));
            Optimizer second = Optimizer.of(settings, table(settings), again, manager);
            Map<String, NDArray> state = new LinkedHashMap<>();
            try (SafeTensors tensors = SafeTensors.open(file)) {
                tensors.entries()
                        .forEach((name, entry) -> state.put(
                                name,
                                entry.dtype().equals("U8")
                                        ? tensors.readBytes(name, manager)
                                        : tensors.read(name, manager)));
            }
            second.restore(state);
            for (int k = 6; k < 12; k++) {
                step(second, again, k, manager);
            }

            assertThat(again.toFloatArray()).isEqualTo(parameters.toFloatArray());
            assertThat(second.output().toFloatArray()).isEqualTo(first.output().toFloatArray());
            first.close();
            second.close();
        }
    }

    @ParameterizedTest
    @EnumSource
    void allMovesTowardsLowerLossAndALowerRateMovesLess(OptimizerType type) {
        OptimizerSpec settings = settings(type);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray parameters = manager.zeros(new Shape(SIZE));
            try (Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager)) {
                for (int k = 0; k < 4; k++) {
                    step(optimizer, parameters, k, manager);
                }
            }
            double first = parameters.get(":" + FIRST.size()).mean().getFloat();
            double second = parameters
                    .get(FIRST.size() + ":" + (FIRST.size() + SECOND.size()))
                    .mean()
                    .getFloat();
            double third =
                    parameters.get((FIRST.size() + SECOND.size()) + ":").mean().getFloat();

            assertThat(second).isPositive();
            assertThat(third).isPositive().isLessThan(first * 0.5);
        }
    }

    @ParameterizedTest
    @EnumSource
    void nativeArraysAreThoseAfterTheFirstStepAndNoneAfterItIsClosed(OptimizerType type) {
        OptimizerSpec settings = settings(type);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray parameters = Randomness.normal(manager, 1, new Shape(SIZE));
            int before = manager.getManagedArrays().size();
            Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager);
            step(optimizer, parameters, 0, manager);
            optimizer.output();
            int early = manager.getManagedArrays().size();
            for (int k = 1; k < 9; k++) {
                step(optimizer, parameters, k, manager);
                optimizer.output();
            }

            assertThat(manager.getManagedArrays()).hasSize(early);
            optimizer.close();
            assertThat(manager.getManagedArrays()).hasSize(before);
        }
    }

    /** For each parameter, beside itself: AdamW has two moments of 4 bytes. */
    @ParameterizedTest
    @EnumSource
    void statesAreAsSmallAsTheirAlgorithmsPromise(OptimizerType type) {
        OptimizerSpec settings = settings(type);
        double most =
                switch (type) {
                    case AdamW -> 8;
                    case AdamW8bit -> 2.2;
                    case Adafactor -> 0.3;
                    case CAME -> 4.4;
                    case Lion -> 4;
                    case Prodigy -> 16.1;
                    case ScheduleFreeAdamW -> 8.1;
                    case ProdigyScheduleFree -> 8.8;
                };
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray parameters = manager.zeros(new Shape(SIZE));
            try (Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager)) {
                double bytes = optimizer.state().entrySet().stream()
                        .filter(entry -> !entry.getKey().equals("parameters"))
                        .mapToDouble(entry ->
                                Objects.requireNonNull(entry.getValue()).size()
                                        * (entry.getValue().getDataType() == DataType.UINT8 ? 1 : 4))
                        .sum();

                assertThat(bytes / SIZE).isLessThanOrEqualTo(most);
            }
        }
    }
}
