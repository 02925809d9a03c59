package training.lora.trainer.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Test;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.tensor.Randomness;

class NoiseScheduleTest {
    private static final NoiseSchedule SD = NoiseSchedule.of(
            new Schedule(1000, 0.00085, 0.012, Schedule.Betas.ScaledLinear, Schedule.Spacing.Trailing, 1));

    @Test
    void followsDdpmAtStableDiffusionsBetas() {
        assertThat(SD.alphaBar(0)).isCloseTo(0.99915, within(1e-7));
        assertThat(SD.alphaBar(500)).isCloseTo(0.276333, within(1e-6));
        assertThat(SD.alphaBar(999)).isCloseTo(0.00466, within(1e-5));
        assertThat(SD.sigma(999)).isCloseTo(14.6146, within(1e-4));
    }

    @Test
    void exactPredictionGivesTheLatentsBack() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Shape shape = new Shape(3, 4, 2, 2);
            NDArray latents = Randomness.normal(scope, 1, shape);
            NDArray noise = Randomness.normal(scope, 2, shape);
            int[] timesteps = {0, 400, 800};

            NDArray noisy = SD.addNoise(latents, noise, timesteps);

            for (int i = 0; i < timesteps.length; i++) {
                double abar = SD.alphaBar(timesteps[i]);
                NDArray back =
                        noisy.get(i).sub(noise.get(i).mul(Math.sqrt(1 - abar))).div(Math.sqrt(abar));
                assertThat(back.sub(latents.get(i)).abs().max().getFloat()).isLessThan(5e-6f);
            }
        }
    }

    /** x_t and v are one rotation of x_0 and eps, so that x_0 = sqrt(abar) x_t - sqrt(1 - abar) v. */
    @Test
    void exactVelocityGivesTheLatentsBack() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Shape shape = new Shape(2, 4, 2, 2);
            NDArray latents = Randomness.normal(scope, 1, shape);
            NDArray noise = Randomness.normal(scope, 2, shape);
            int[] timesteps = {100, 900};

            NDArray noisy = SD.addNoise(latents, noise, timesteps);
            NDArray velocity = SD.velocity(latents, noise, timesteps);

            for (int i = 0; i < timesteps.length; i++) {
                double abar = SD.alphaBar(timesteps[i]);
                NDArray back =
                        noisy.get(i).mul(Math.sqrt(abar)).sub(velocity.get(i).mul(Math.sqrt(1 - abar)));
                assertThat(back.sub(latents.get(i)).abs().max().getFloat()).isLessThan(1e-6f);
            }
        }
    }
}
