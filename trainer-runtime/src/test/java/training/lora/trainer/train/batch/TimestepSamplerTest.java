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
        TimestepSampler sampler = sampler(loss);
        SplittableRandom random = new SplittableRandom(5);
        int[] drawn = new int[DRAWS];
        Arrays.setAll(drawn, i -> sampler.draw(random));
        Arrays.sort(drawn);
        return drawn;
    }

    private static TimestepSampler sampler(String loss) {
        return new TimestepSampler(TrainingSpecs.of("loss: {" + loss + "}").loss(), Schedules.STABLE_DIFFUSION);
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

    @Test
    void aRangeStretchesTheDistributionOverItself() {
        int[] uniform = draws("minimumTimestep: 200, maximumTimestep: 399");

        assertThat(uniform[0]).isEqualTo(200);
        assertThat(uniform[DRAWS - 1]).isEqualTo(399);
        assertThat(quantile(uniform, 0.25)).isCloseTo(250, within(4));
        assertThat(quantile(uniform, 0.5)).isCloseTo(300, within(4));
        int[] logistic = draws("timesteps: LogitNormal, minimumTimestep: 500");
        assertThat(logistic[0]).isGreaterThanOrEqualTo(500);
        assertThat(logistic[DRAWS - 1]).isLessThanOrEqualTo(999);
        assertThat(quantile(logistic, 0.25)).isCloseTo(500 + 337 / 2, within(6));
        assertThat(Arrays.stream(draws("maximumTimestep: 0")).max()).hasValue(0);
    }

    /** Held-out pictures are measured at timesteps that are trained on, as far apart as they can be. */
    @Test
    void sharesOfTheWayLieInTheRange() {
        TimestepSampler whole = sampler("");
        TimestepSampler part = sampler("minimumTimestep: 100, maximumTimestep: 299");

        assertThat(whole.at(0.25)).isEqualTo(250);
        assertThat(part.at(0)).isEqualTo(100);
        assertThat(part.at(0.25)).isEqualTo(150);
        assertThat(part.at(0.9999)).isEqualTo(299);
    }
}
