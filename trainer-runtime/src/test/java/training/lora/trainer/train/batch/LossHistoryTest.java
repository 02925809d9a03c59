package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import training.lora.trainer.train.TrainingSpecs;

class LossHistoryTest {
    private static final String TRAINING =
            "batchSize: 4, gradientAccumulation: 2, seed: 3, loss: {timesteps: LossHistory, minimumTimestep: 7, maximumTimestep: 930}";

    /** With losses of 1 / (1 + bin) after 300 batches; a sample's loss is by its bin alone. */
    private static LossHistory filled(NDManager manager) {
        LossHistory history = new LossHistory(TrainingSpecs.of(TRAINING), 1000, 5, manager);
        for (int index = 0; index < 300; index++) {
            int[] times = history.at(index, 4).timesteps();
            float[] losses = new float[4];
            for (int i = 0; i < 4; i++) {
                losses[i] = 1f / (1 + bin(times[i]));
            }
            history.add(index, times, losses);
        }
        return history;
    }

    private static int bin(int timestep) {
        return (int) Math.floor(10 * (timestep - 7 + 0.99) / 924);
    }

    @Test
    void chancesAreThoseOfTheRootsOfMeanSquares() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            double[] fresh = new LossHistory(TrainingSpecs.of(TRAINING), 1000, 5, manager).chances();
            double[] chances = filled(manager).chances();

            double sum = 0;
            for (int bin = 0; bin < 10; bin++) {
                sum += 1.0 / (1 + bin);
            }
            for (int bin = 0; bin < 10; bin++) {
                assertThat(fresh[bin]).isCloseTo(0.1, within(0.001));
                assertThat(chances[bin]).isCloseTo(0.999 / (1 + bin) / sum + 0.0001, within(1e-6));
            }
        }
    }

    @Test
    void weightsUndoThePreference() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            LossHistory history = filled(manager);
            double mean = 0;
            double weights = 0;
            int many = 4000;
            for (int index = 1000; index < 1000 + many; index++) {
                LossHistory.Drawn drawn = history.at(index, 4);
                for (int i = 0; i < 4; i++) {
                    assertThat(drawn.timesteps()[i]).isBetween(7, 930);
                    mean += drawn.weights()[i] * drawn.timesteps()[i] / (4 * many);
                    weights += drawn.weights()[i] / (4 * many);
                }
            }

            assertThat(weights).isCloseTo(1, within(0.03));
            assertThat(mean).isCloseTo((7 + 930) / 2.0, within(20.0));
        }
    }

    @Test
    void theNewestStepsAreDrawnAgainAsTheyWere() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            LossHistory history = filled(manager);
            LossHistory.Drawn drawn = history.at(301, 4);
            LossHistory.Drawn part = history.at(300, 3);
            history.add(300, part.timesteps(), new float[] {9, 9, 9});
            history.add(301, drawn.timesteps(), new float[] {9, 9, Float.NaN, 9});
            double[] before = history.chances();
            for (int index = 302; index < 310; index++) {
                history.add(index, history.at(index, 4).timesteps(), new float[] {3, 3, 3, 3});
            }

            assertThat(history.at(301, 4).timesteps()).isEqualTo(drawn.timesteps());
            assertThat(history.at(300, 3).weights()).isEqualTo(part.weights());
            assertThat(Arrays.stream(before).allMatch(Double::isFinite)).isTrue();
            assertThat(history.chances()).isNotEqualTo(before);
        }
    }
}
