package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.TrainingSpec;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.train.optimizer.Rates;

/** Averages of a model's own weights. */
class FullAverageTest {
    private static final double DECAY = 0.9;
    private static final int STEPS = 5;

    private static List<float[]> values(UNet unet) {
        List<float[]> values = new ArrayList<>();
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            unet.parameters()
                    .all()
                    .forEach(weight ->
                            values.add(weight.single().in(scope).reshape(-1).toFloatArray()));
        }
        return values;
    }

    private static List<float[]> output(UNet unet, FullStep step) {
        List<float[]> values = new ArrayList<>();
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            for (Parameter weight : unet.parameters().all()) {
                values.add(step.optimizer().output(weight).in(scope).reshape(-1).toFloatArray());
            }
        }
        return values;
    }

    private static double greatestDistance(List<float[]> a, List<float[]> b) {
        double greatest = 0;
        for (int i = 0; i < a.size(); i++) {
            for (int j = 0; j < a.get(i).length; j++) {
                greatest = Math.max(greatest, Math.abs((double) a.get(i)[j] - b.get(i)[j]));
            }
        }
        return greatest;
    }

    /**
     * The greatest distance of averages from what is expected of them, as a share of what rounding allows: put out in bf16 an
     * average lies within half a step of itself, and of a copy in fp32 it is one of numbers that lie within half a step of
     * the weights.
     *
     * @param greatest the greatest of each weight on its way
     */
    private static double farthest(
            List<float[]> put, List<float[]> expected, List<float[]> greatest, boolean rounded, boolean copy) {
        double farthest = 0;
        for (int w = 0; w < put.size(); w++) {
            for (int j = 0; j < put.get(w).length; j++) {
                double average = expected.get(w)[j];
                double allowed = 1e-6
                        + (rounded ? Math.abs(average) / 256 : 0)
                        + (copy ? Math.abs(greatest.get(w)[j]) / 256 : 0);
                farthest = Math.max(farthest, Math.abs(put.get(w)[j] - average) / allowed);
            }
        }
        return farthest;
    }

    /** As diffusers' EMAModel: a += (1 - d) (p - a), with d = 0 at the first step, then (1 + t) / (10 + t) up to the decay. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "precision: Float32",
                "precision: BFloat16",
                "precision: BFloat16, fullFineTuning: {bf16Weights: Fp32Master}"
            })
    void averageIsEmaModelsAndStandsInThePlaceOfWeightsWhileItIsHeld(String fields) {
        TrainingSpec training = TrainingSpecs.of(
                "method: FullFineTuning, batchSize: 2, seed: 5, ema: {decay: %s}, optimizer: {type: Adafactor, learningRate: 1e-3}, %s"
                        .formatted(DECAY, fields));
        boolean rounded = !fields.contains("Float32");
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, training.precision(), 3, run);
                FullStep step = new FullStep(unet, null, Schedules.STABLE_DIFFUSION, training, run)) {
            Batches batches = FullStepTest.batches(training);
            List<float[]> expected = values(unet);
            List<float[]> begun = values(unet);
            List<float[]> greatest = values(unet);
            for (int i = 0; i < STEPS; i++) {
                step.train(batches, i, List.of(Rates.constant(i, 1e-3, 1)));
                List<float[]> now = values(unet);
                double decay = i == 0 ? 0 : Math.min(DECAY, (1.0 + i) / (10 + i));
                for (int w = 0; w < now.size(); w++) {
                    float[] average = expected.get(w);
                    for (int j = 0; j < average.length; j++) {
                        average[j] += (float) ((1 - decay) * (now.get(w)[j] - average[j]));
                        greatest.get(w)[j] = Math.max(Math.abs(greatest.get(w)[j]), Math.abs(now.get(w)[j]));
                    }
                }
            }

            List<float[]> trained = values(unet);
            List<float[]> put = output(unet, step);
            double moved = greatestDistance(begun, trained);
            boolean copy = fields.contains("Fp32Master");
            assertThat(farthest(put, expected, greatest, rounded, copy)).isLessThan(1);
            assertThat(farthest(begun, expected, greatest, rounded, copy))
                    .as("of an average that stayed where it began")
                    .isGreaterThan(1);
            assertThat(greatestDistance(put, trained)).isGreaterThan(0.05 * moved);
            try (TrainingStep.Held held = step.hold()) {
                assertThat(greatestDistance(values(unet), put)).isZero();
                assertThat(greatestDistance(values(unet), trained)).isPositive();
            }
            assertThat(greatestDistance(values(unet), trained)).isZero();
        }
    }
}
