package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.LossSpec;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerSpec;
import training.lora.api.ScheduleSpec;
import training.lora.api.ScheduleType;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.Conditioning;
import training.lora.trainer.model.Schedule;
import training.lora.trainer.model.UNet;
import training.lora.trainer.model.UNetConfig;
import training.lora.trainer.tensor.Randomness;

class LoraStepTest {
    private static final UNetConfig TINY = new UNetConfig(
            8, 4, 24, List.of(32, 64), List.of(true, false), 1, List.of(2, 2), List.of(1, 1), 8, 1e-5, false);
    private static final OptimizerSpec OPTIMIZER =
            new OptimizerSpec(1e-2, 0.01, 0.9, 0.999, 1.0, new ScheduleSpec(ScheduleType.Constant, 0));
    private static final NoiseSchedule SCHEDULE = NoiseSchedule.of(
            new Schedule(1000, 0.00085, 0.012, Schedule.Betas.ScaledLinear, Schedule.Spacing.Trailing, 1));

    /** Random latents of ten samples with random text. */
    private record RandomData(NDManager manager) implements TrainingData {
        @Override
        public int size() {
            return 10;
        }

        @Override
        public NDArray means(int[] samples, NDManager scope) {
            return Randomness.normal(scope, 7, new Shape(samples.length, 4, 8, 8));
        }

        @Override
        public NDArray deviations(int[] samples, NDManager scope) {
            return scope.full(new Shape(samples.length, 4, 8, 8), 0.1f);
        }

        @Override
        public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
            return Conditioning.of(Randomness.normal(scope, 8, new Shape(samples.length, 5, 24)));
        }
    }

    private static List<LoraStep.Measured> train(int steps, List<Integer> countsAt, List<Integer> counts) {
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TINY, 3, run);
                LoraAdapter adapter =
                        LoraAdapter.create(unet.projections(), new LoraSettings(4, 4, List.of("Attention")), 5, run);
                LoraStep step = new LoraStep(
                        unet, adapter, SCHEDULE, new LossSpec(LossWeighting.MinSnr, 5.0), OPTIMIZER, run)) {
            Batches batches = new Batches(new RandomData(run), 11, 2, 0.1, 1000);
            for (int i = 1; i <= steps; i++) {
                try (NDManager scope = run.newSubManager()) {
                    Batches.Batch batch = batches.at(i - 1, scope);
                    step.train(batch.latents(), batch.noise(), batch.timesteps(), batch.context(), 1e-2, scope);
                }
                if (countsAt.contains(i)) {
                    counts.add(run.getManagedArrays().size());
                }
            }
            return step.drain();
        }
    }

    @Test
    void sameSeedGivesTheSameBits() {
        assertThat(train(4, List.of(), List.of())).isEqualTo(train(4, List.of(), List.of()));
    }

    @Test
    void nativeArraysAfterStep20AreThoseAfterStep2() {
        List<Integer> counts = new ArrayList<>();

        train(20, List.of(2, 20), counts);

        assertThat(counts).hasSize(2);
        assertThat(counts.get(1)).isEqualTo(counts.get(0)).isPositive();
    }

    @Test
    void lossFallsWhenTheSamePicturesAreSeenAgain() {
        List<LoraStep.Measured> measured = train(40, List.of(), List.of());

        double early = measured.subList(0, 10).stream()
                .mapToDouble(LoraStep.Measured::loss)
                .average()
                .orElseThrow();
        double late = measured.subList(30, 40).stream()
                .mapToDouble(LoraStep.Measured::loss)
                .average()
                .orElseThrow();

        assertThat(late).isLessThan(early);
        assertThat(measured).allSatisfy(m -> assertThat(m.gradientNorm()).isPositive());
    }
}
