package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.TrainingSpec;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.train.batch.Captions;
import training.lora.trainer.train.batch.TrainingData;
import training.lora.trainer.train.optimizer.Rates;
import training.lora.trainer.train.progress.MeasuredStep;

class FullStepTest {
    private static final String STOCHASTIC = "precision: BFloat16, optimizer: {type: Adafactor, learningRate: 1e-3}";
    private static final String MASTER = STOCHASTIC + ", fullFineTuning: {bf16Weights: Fp32Master}";

    /** Of random numbers, whose captions nothing embeds. */
    static Batches batches(TrainingSpec training) {
        TrainingData data = new RandomData(10, false);
        Captions captions = new Captions(
                data,
                Collections.nCopies(10, ""),
                training.captions(),
                (texts, scope) -> {
                    throw new AssertionError(texts);
                },
                11);
        return new Batches(data, SampleOrder.uniform(10, 11), captions, training, Schedules.STABLE_DIFFUSION);
    }

    /** What steps came to: what they measured and all numbers of the state. */
    private record Came(List<MeasuredStep> measured, Map<String, List<Float>> state) {}

    /** @param interrupted after so many steps, to go on from the state in a new process's place; 0: never */
    private static Came train(String fields, int steps, int interrupted) {
        TrainingSpec training = TrainingSpecs.of("method: FullFineTuning, batchSize: 2, seed: 5, " + fields);
        double rate = Objects.requireNonNull(training.optimizer().learningRate());
        List<MeasuredStep> measured = new ArrayList<>();
        try (NDManager run = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> state = null;
            for (int[] part : new int[][] {{0, interrupted}, {interrupted, steps}}) {
                try (UNet unet = UNet.random(TinyUNets.TINY, training.precision(), 3, run);
                        FullStep step = new FullStep(unet, null, Schedules.STABLE_DIFFUSION, training, run)) {
                    if (state != null) {
                        Map<String, LazyTensor> kept = new LinkedHashMap<>();
                        state.forEach((name, tensor) -> kept.put(name, LazyTensor.of(tensor)));
                        step.optimizer().restore(kept);
                    }
                    Batches batches = batches(training);
                    for (int i = part[0]; i < part[1]; i++) {
                        step.train(batches, i, List.of(Rates.constant(i, rate, 1)));
                    }
                    measured.addAll(step.log().drain());
                    Map<String, NDArray> copies = new LinkedHashMap<>();
                    step.optimizer().state().forEach((name, tensor) -> {
                        NDArray copy = tensor.in(run).duplicate();
                        copy.attach(run);
                        copies.put(name, copy);
                    });
                    state = copies;
                }
            }
            Map<String, List<Float>> numbers = new LinkedHashMap<>();
            Objects.requireNonNull(state).forEach((name, tensor) -> {
                List<Float> values = new ArrayList<>();
                for (Number number : tensor.toArray()) {
                    values.add(number.floatValue());
                }
                numbers.put(name, values);
            });
            return new Came(measured, numbers);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                STOCHASTIC,
                MASTER,
                STOCHASTIC + ", ema: {decay: 0.9}",
                MASTER + ", ema: {decay: 0.9}",
                "precision: Float32, optimizer: {type: Adafactor, learningRate: 1e-3}",
                "precision: BFloat16, optimizer: {type: AdamW8bit, learningRate: 1e-3}"
            })
    void twoRunsAndAnInterruptedOneGiveTheSameBits(String fields) {
        Came once = train(fields, 4, 0);

        assertThat(train(fields, 4, 0)).isEqualTo(once);
        assertThat(train(fields, 4, 2)).isEqualTo(once);
        assertThat(once.measured()).hasSize(4);
    }

    @ParameterizedTest
    @ValueSource(strings = {"AdamW", "AdamW8bit", "Adafactor", "CAME", "Lion"})
    void lossFallsWithEachOptimizerThatMovesALayerAtATime(String type) {
        String rate = type.equals("Lion") ? "1e-4" : "1e-3";
        List<MeasuredStep> measured = train(
                        "precision: BFloat16, optimizer: {type: %s, learningRate: %s}".formatted(type, rate), 24, 0)
                .measured();

        assertThat(mean(measured.subList(16, 24))).isLessThan(mean(measured.subList(0, 8)));
        assertThat(measured).allSatisfy(m -> assertThat(m.gradientNorm()).isPositive());
    }

    /** As an adapter's: that of what moves, or of all that the step was given where nothing does. */
    @Test
    void normOfAStepInWhichNothingMovesIsThatOfAllGradients() {
        TrainingSpec training = TrainingSpecs.of("method: FullFineTuning, batchSize: 2, seed: 5, " + STOCHASTIC);
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, training.precision(), 3, run);
                FullStep step = new FullStep(unet, null, Schedules.STABLE_DIFFUSION, training, run)) {
            Batches batches = batches(training);
            step.train(batches, 0, List.of(new Rates(0, List.of(new Rates.Group(0, 0, false)))));
            step.train(batches, 0, List.of(Rates.constant(0, 1e-3, 1)));

            List<MeasuredStep> measured = step.log().drain();
            assertThat(measured.get(0).gradientNorm()).isPositive();
            assertThat(measured.get(0)).isEqualTo(measured.get(1));
        }
    }

    private static double mean(List<MeasuredStep> steps) {
        return steps.stream().mapToDouble(MeasuredStep::loss).average().orElseThrow();
    }

    @Test
    void nativeArraysAfterStep20AreThoseAfterStep2() {
        TrainingSpec training = TrainingSpecs.of("method: FullFineTuning, batchSize: 2, " + STOCHASTIC);
        List<Integer> counts = new ArrayList<>();
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, training.precision(), 3, run);
                FullStep step = new FullStep(unet, null, Schedules.STABLE_DIFFUSION, training, run)) {
            Batches batches = batches(training);
            for (int i = 0; i < 20; i++) {
                step.train(batches, i, List.of(Rates.constant(i, 1e-3, 1)));
                if (i == 1 || i == 19) {
                    counts.add(run.getManagedArrays().size());
                }
            }
        }

        assertThat(counts.get(1)).isEqualTo(counts.get(0)).isPositive();
    }
}
