package training.lora.trainer.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Prediction;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.basemodel.ScheduleBuilder;

/** Against diffusers; the goldens are made by src/test/goldens/schedule_goldens.py. */
class PredictionTest {
    private static final int[] TIMESTEPS = {0, 100, 500, 999};

    private static Schedule settings(Prediction prediction, boolean zero) {
        return ScheduleBuilder.builder()
                .trainTimesteps(1000)
                .betaStart(0.00085)
                .betaEnd(0.012)
                .betas(Schedule.Betas.ScaledLinear)
                .spacing(Schedule.Spacing.Trailing)
                .stepsOffset(1)
                .prediction(prediction)
                .zeroTerminalSnr(zero)
                .build();
    }

    @ParameterizedTest
    @CsvSource({"plain, false", "zero, true"})
    void velocityAndNoisyLatentsAreThoseOfDiffusers(String name, boolean zero) {
        NoiseSchedule schedule = NoiseSchedule.of(settings(Prediction.V, zero));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("schedules", manager)) {
            NDArray latents = golden.get("latents");
            NDArray noise = golden.get("noise");
            float[] abar = golden.get(name + ".abar").toFloatArray();

            for (int i = 0; i < TIMESTEPS.length; i++) {
                assertThat(schedule.alphaBar(TIMESTEPS[i])).isCloseTo(abar[i], within(2e-6));
            }
            golden.assertMatches(schedule.addNoise(latents, noise, TIMESTEPS), name + ".noisy");
            golden.assertMatches(schedule.velocity(latents, noise, TIMESTEPS), name + ".v");
        }
    }

    @Test
    void rescaledScheduleBeginsAsBeforeAndEndsInPureNoise() {
        NoiseSchedule schedule = NoiseSchedule.of(settings(Prediction.V, true));

        assertThat(schedule.alphaBar(0)).isCloseTo(0.99915, within(1e-6));
        assertThat(schedule.alphaBar(500)).isCloseTo(0.241019, within(1e-6));
        assertThat(schedule.alphaBar(999)).isZero();
    }

    @ParameterizedTest
    @CsvSource({"plain.epsilon, Epsilon, false", "plain.v_prediction, V, false", "zero.v_prediction, V, true"})
    void samplerEndsWhereDiffusersDoes(String name, Prediction prediction, boolean zero) {
        EulerSampler sampler = EulerSampler.of(settings(prediction, zero), 8);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("schedules", manager)) {
            NDArray x = golden.get("latents").mul(sampler.initialScale());
            float[] sigmas = golden.get(name + ".sigmas").toFloatArray();

            for (int i = 0; i < sampler.steps(); i++) {
                double t = sampler.timestep(i);
                NDArray predicted = sampler.modelInput(x, i).mul(t / (t + 1000)).add(0.1);
                x = sampler.step(x, predicted, i);
            }

            assertThat(sampler.sigma(0)).isCloseTo(sigmas[0], within(1e-4 * sigmas[0]));
            // diffusers' fp32 loses digits at sigma 4096.
            Goldens.assertClose(x, golden.get(name + ".end"), zero ? 1e-3 : 1e-4, name);
        }
    }
}
