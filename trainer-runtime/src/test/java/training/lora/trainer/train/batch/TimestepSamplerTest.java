package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import training.lora.trainer.train.Schedules;
import training.lora.trainer.train.TrainingSpecs;

class TimestepSamplerTest {
    private static final int DRAWS = 20_000;

    /** Timesteps in rising order. */
    private static int[] draws(String loss) {
        TimestepSampler sampler =
                new TimestepSampler(TrainingSpecs.of("loss: {" + loss + "}").loss(), Schedules.STABLE_DIFFUSION);
        SplittableRandom random = new SplittableRandom(5);
        int[] drawn = new int[DRAWS];
        Arrays.setAll(drawn, i -> sampler.draw(random));
        Arrays.sort(drawn);
        return drawn;
    }

    private static int quantile(int[] drawn, double share) {
        return drawn[(int) (share * DRAWS)];
    }

    @Test
    void uniformReachesEveryPartAlike() {
        int[] drawn = draws("");

        assertThat(drawn[0]).isZero();
        assertThat(drawn[DRAWS - 1]).isEqualTo(999);
        assertThat(quantile(drawn, 0.25)).isCloseTo(250, within(12));
        assertThat(quantile(drawn, 0.5)).isCloseTo(500, within(12));
    }

    /** The quantiles are the logistic function of the normal ones: 1 / (1 + e^0.6745) = 0.3375. */
    @Test
    void logitNormalPrefersTheMiddle() {
        int[] drawn = draws("timesteps: LogitNormal");

        assertThat(quantile(drawn, 0.25)).isCloseTo(337, within(8));
        assertThat(quantile(drawn, 0.5)).isCloseTo(500, within(8));
        assertThat(quantile(drawn, 0.75)).isCloseTo(662, within(8));
        assertThat(quantile(draws("timesteps: LogitNormal, timestepMean: 1, timestepDeviation: 0.5"), 0.5))
                .isCloseTo(731, within(8));
    }

    /** EDM: ln sigma has mean -1.2 and deviation 1.2; sigma is 0.3012 in the middle. */
    @Test
    void logNormalSigmaFollowsTheSchedulesSigmas() {
        int[] drawn = draws("timesteps: LogNormalSigma");

        for (double[] normal : new double[][] {{0.25, -0.6745}, {0.5, 0}, {0.75, 0.6745}, {0.975, 1.96}}) {
            double sigma = Schedules.STABLE_DIFFUSION.sigma(quantile(drawn, normal[0]));
            assertThat(Math.log(sigma)).as("quantile %s", normal[0]).isCloseTo(-1.2 + 1.2 * normal[1], within(0.06));
        }
        assertThat(drawn[DRAWS - 1]).isBetween(900, 999);
        assertThat(drawn[0]).isZero();
    }
}
