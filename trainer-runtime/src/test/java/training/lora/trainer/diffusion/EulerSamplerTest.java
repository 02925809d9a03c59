package training.lora.trainer.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.tensor.Randomness;

/** Expected values: EulerDiscreteScheduler of diffusers 0.42 with scaled_linear betas 0.00085 to 0.012, steps_offset 1. */
class EulerSamplerTest {
    private static Schedule schedule(Schedule.Spacing spacing) {
        return new Schedule(1000, 0.00085, 0.012, Schedule.Betas.ScaledLinear, spacing, 1);
    }

    @ParameterizedTest
    @CsvSource({
        "Trailing, 4, 999, 749, 499, 14.61465, 4.08173, 1.61289, 0.69320542, 14.61464691",
        "Trailing, 16, 999, 937, 874, 14.61465, 10.19537, 7.29735, 0.25313184, 14.61464691",
        "Trailing, 48, 999, 978, 957, 14.61465, 12.89012, 11.4114, 0.13799095, 14.61464691",
        "Leading, 4, 751, 501, 251, 4.1167, 1.62369, 0.6984, 0.04131448, 4.23641396",
        "Leading, 16, 931, 869, 807, 9.86269, 7.11531, 5.27783, 0.04131448, 9.91325569",
        "Leading, 48, 941, 921, 901, 10.42505, 9.33808, 8.39069, 0.04131448, 10.47289658",
        "Linspace, 4, 999, 666, 333, 14.61465, 2.91831, 0.93236, 0.02916753, 14.61464691",
        "Linspace, 16, 999, 932.4, 865.8, 14.61465, 9.93912, 7.00187, 0.02916753, 14.61464691",
        "Linspace, 48, 999, 977.7447, 956.4894, 14.61465, 12.87081, 11.37821, 0.02916753, 14.61464691"
    })
    void followsDiffusers(
            Schedule.Spacing spacing,
            int steps,
            double t0,
            double t1,
            double t2,
            double s0,
            double s1,
            double s2,
            double last,
            double scale) {
        EulerSampler sampler = EulerSampler.of(schedule(spacing), steps);

        assertThat(new double[] {sampler.timestep(0), sampler.timestep(1), sampler.timestep(2)})
                .containsExactly(new double[] {t0, t1, t2}, within(1e-4));
        assertThat(new double[] {sampler.sigma(0), sampler.sigma(1), sampler.sigma(2)})
                .containsExactly(new double[] {s0, s1, s2}, within(2e-5));
        assertThat(sampler.sigma(steps - 1)).isCloseTo(last, within(1e-6));
        assertThat(sampler.sigma(steps)).isZero();
        assertThat(sampler.initialScale()).isCloseTo(scale, within(2e-5));
    }

    @Test
    void exactPredictionEndsAtThePicture() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            EulerSampler sampler = EulerSampler.of(schedule(Schedule.Spacing.Trailing), 5);
            NDArray picture = Randomness.normal(scope, 1, new Shape(1, 4, 2, 2));
            NDArray noise = Randomness.normal(scope, 2, new Shape(1, 4, 2, 2));
            NDArray x = picture.add(noise.mul(sampler.sigma(0)));

            for (int i = 0; i < sampler.steps(); i++) {
                x = sampler.step(x, noise, i);
            }

            assertThat(x.sub(picture).abs().max().getFloat()).isLessThan(1e-5f);
        }
    }
}
