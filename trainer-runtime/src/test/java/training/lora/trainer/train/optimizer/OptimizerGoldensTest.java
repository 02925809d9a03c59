package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.TrainingGoldens;
import training.lora.trainer.train.TrainingSpecs;

/** Against the packages that people use; the goldens are made by src/test/goldens/optimizer_goldens.py. */
class OptimizerGoldensTest {
    private static final Path GOLDENS = Path.of("src/test/resources/training-goldens/optimizers.json");
    private static final List<Shape> SHAPES =
            List.of(new Shape(4, 12), new Shape(7), new Shape(2, 3, 5), new Shape(60, 70));
    private static final Shape ALL =
            new Shape(SHAPES.stream().mapToLong(Shape::size).sum());

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final NDArray parameters = Randomness.normal(manager, 1, ALL);
    private final NDArray centre = Randomness.normal(manager, 2, ALL).mul(3);
    private final NDArray weight = Randomness.normal(manager, 3, ALL).pow(2);

    private static ParameterTable table(OptimizerSpec settings) {
        List<ParameterTensor> tensors = new ArrayList<>();
        for (Shape shape : SHAPES) {
            long offset =
                    tensors.isEmpty() ? 0 : tensors.get(tensors.size() - 1).end();
            tensors.add(new ParameterTensor("tensor" + tensors.size(), offset, shape, 0));
        }
        return new ParameterTable(tensors, List.of(ParameterGroup.of(settings)));
    }

    /** All of the small tensors and each hundredth of the last. */
    private NDArray kept(NDArray all) {
        return all.get(":85").concat(all.get("85::100"));
    }

    private NDArray expected(JsonNode golden, String field) {
        return manager.create(TrainingGoldens.floats(golden.get(field)));
    }

    /** Losses before each of the golden's steps, which are made. */
    private List<Double> follow(Optimizer optimizer, JsonNode golden, boolean warm, double rate) {
        List<Double> losses = new ArrayList<>();
        for (int k = 0; k < golden.get("losses").size(); k++) {
            try (NDManager step = manager.newSubManager()) {
                NDArray distance = parameters.sub(centre);
                distance.attach(step);
                NDArray gradient = distance.mul(weight);
                losses.add(0.5
                        * gradient.mul(distance)
                                .toType(DataType.FLOAT64, false)
                                .sum()
                                .getDouble());
                Rates rates = Rates.constant(k, warm ? rate * Math.min(1, k / 4.0) : rate, 1);
                optimizer.step(gradient, rates, step);
                optimizer.average(rates, step);
            }
        }
        return losses;
    }

    private static void assertLosses(List<Double> losses, JsonNode golden, double percent) {
        assertThat(losses).hasSameSizeAs(golden.get("losses")).hasSizeGreaterThanOrEqualTo(10);
        for (int k = 0; k < losses.size(); k++) {
            assertThat(losses.get(k))
                    .as("loss of step %d", k)
                    .isCloseTo(golden.get("losses").get(k).asDouble(), Percentage.withPercentage(percent));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "AdamW8bit, 0.01, 0.05, 0.01, 1e-3",
        "Adafactor, 0.01, 0.05, 0.01, 1e-4",
        "Lion, 0.02, 0.05, 0.01, 1e-4",
        "ScheduleFreeAdamW, 0.01, 0.05, 0.01, 1e-4",
        "CAME, 0.01, 0.05, 0.01, 1e-4",
    })
    void tenStepsAreThoseOfTheReference(String type, double decay, double rate, double percent, double tolerance)
            throws IOException {
        JsonNode golden = Json.MAPPER.readTree(GOLDENS.toFile()).get(type);
        OptimizerSpec settings = TrainingSpecs.of(
                        "optimizer: {type: %s, weightDecay: %s, maxGradientNorm: 1e9}".formatted(type, decay))
                .optimizer();
        try (manager;
                Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager)) {
            List<Double> losses = follow(optimizer, golden, true, rate);

            assertLosses(losses, golden, percent);
            Goldens.assertClose(kept(parameters), expected(golden, "parameters"), tolerance, type);
            if (golden.has("output")) {
                Goldens.assertClose(kept(optimizer.output()), expected(golden, "output"), tolerance, "output");
                Goldens.assertClose(kept(parameters), expected(golden, "parameters"), tolerance, "afterwards");
            }
        }
    }

    /** With d multiplied by 2 and, in Prodigy, growing by no more than 1.3 a step; its decay of moments is a spec's default. */
    @ParameterizedTest
    @CsvSource({"ProdigyScheduleFree, ''", "Prodigy, 'growthRate: 1.3, beta2: 0.99,'"})
    void fortyStepsAndTheirDAreThoseOfTheReference(String type, String fields) throws IOException {
        JsonNode golden = Json.MAPPER.readTree(GOLDENS.toFile()).get(type);
        OptimizerSpec settings = TrainingSpecs.of(
                        "optimizer: {type: %s, %s dCoefficient: 2, weightDecay: 0.01, maxGradientNorm: 1e9}"
                                .formatted(type, fields))
                .optimizer();
        try (manager;
                Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager)) {
            List<Double> losses = follow(optimizer, golden, false, 1);

            assertLosses(losses, golden, 0.5);
            double d = Objects.requireNonNull(optimizer.state().get("estimate")).getFloat(0);
            assertThat(d).isCloseTo(golden.get("d").asDouble(), Percentage.withPercentage(0.5));
            assertThat(d).as("it has grown").isGreaterThan(1e-5);
            Goldens.assertClose(kept(parameters), expected(golden, "parameters"), 5e-3, type);
            if (golden.has("output")) {
                Goldens.assertClose(kept(optimizer.output()), expected(golden, "output"), 5e-3, "output");
            }
        }
    }

    @Test
    void theAverageIsThatOfDiffusers() throws IOException {
        JsonNode golden = Json.MAPPER.readTree(GOLDENS.toFile()).get("average");
        OptimizerSpec settings =
                TrainingSpecs.of("optimizer: {maxGradientNorm: 1e9}").optimizer();
        try (manager;
                Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager)
                        .averaged(0.6)) {
            follow(optimizer, golden, false, 0.05);

            Goldens.assertClose(kept(parameters), expected(golden, "parameters"), 1e-4, "parameters");
            Goldens.assertClose(kept(optimizer.output()), expected(golden, "output"), 1e-4, "average");
            assertThat(MovingAverage.decay(0.6, 0)).isZero();
            assertThat(MovingAverage.decay(0.6, 2)).isEqualTo(0.25);
            assertThat(MovingAverage.decay(0.6, 100)).isEqualTo(0.6);
        }
    }

    /** Checks of bitsandbytes' code maps. */
    @Test
    void codesOfEightBitsAreThoseOfBitsandbytes() {
        float[] signed = AdamW8bit.codes(true);
        float[] unsigned = AdamW8bit.codes(false);

        assertThat(signed).hasSize(256).isSorted();
        assertThat(unsigned).hasSize(256).isSorted();
        assertThat(signed[0]).isEqualTo(-0.99296874f);
        assertThat(signed[127]).isZero();
        assertThat(signed[128]).isEqualTo(5.5e-7f);
        assertThat(signed[255]).isEqualTo(1);
        assertThat(unsigned[1]).isEqualTo(3.25e-7f);
        for (float[] codes : List.of(signed, unsigned)) {
            double sum = 0;
            for (float code : codes) {
                sum += Math.abs(code);
            }
            assertThat(sum).isCloseTo(75.105263, org.assertj.core.api.Assertions.within(1e-4));
        }
    }

    @Test
    void aGradientThatIsNoNumberLeavesWhatItIsOf() {
        OptimizerSpec settings = TrainingSpecs.of("optimizer: {type: AdamW8bit, maxGradientNorm: 1e9}")
                .optimizer();
        float[] before = parameters.toFloatArray();
        try (manager;
                Optimizer optimizer = Optimizer.of(settings, table(settings), parameters, manager)) {
            optimizer.step(manager.full(ALL, Float.NaN), Rates.constant(0, 1, 1), manager);

            assertThat(parameters.toFloatArray()).isEqualTo(before);
        }
    }
}
