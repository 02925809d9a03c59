package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.TrainingGoldens;
import training.lora.trainer.train.TrainingSpecs;

class NoiseSourceTest {
    private static final Shape SHAPE = new Shape(4, 4, 64, 48);

    private final NDManager scope = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        scope.close();
    }

    private NDArray noise(String loss, Shape shape) {
        return source(loss).noise(7, "", shape, scope);
    }

    private static NoiseSource source(String loss) {
        return new NoiseSource(TrainingSpecs.of("loss: {" + loss + "}").loss(), 3);
    }

    private static double deviation(NDArray x) {
        return x.sub(x.mean()).pow(2).mean().sqrt().getFloat();
    }

    @Test
    void plainNoiseIsAFunctionOfSeedNumberAndSet() {
        NoiseSource source = source("");

        assertThat(source.noise(7, "", SHAPE, scope)).isEqualTo(source.noise(7, "", SHAPE, scope));
        assertThat(source.noise(8, "", SHAPE, scope)).isNotEqualTo(source.noise(7, "", SHAPE, scope));
        assertThat(source.noise(7, "fixed/", SHAPE, scope)).isNotEqualTo(source.noise(7, "", SHAPE, scope));
    }

    @Test
    void offsetNoiseAddsOneNumberToEachChannelOfASample() {
        NDArray added = noise("offsetNoise: 0.1", SHAPE).sub(noise("", SHAPE));

        NDArray first = added.get(":, :, :1, :1");
        assertThat(added.sub(first).abs().max().getFloat()).isLessThan(1e-6f);
        assertThat(deviation(first)).isBetween(0.05, 0.15);
    }

    @Test
    void pyramidNoiseHasCoarsePartsAndADeviationOfOne() {
        NDArray pyramid = noise("pyramidNoise: 0.8", SHAPE);

        assertThat(deviation(pyramid)).isCloseTo(1, within(1e-3));
        assertThat(deviation(patchMeans(noise("", SHAPE)))).isCloseTo(1.0 / 16, within(0.02));
        assertThat(deviation(patchMeans(pyramid))).isGreaterThan(3.0 / 16);
    }

    /** Means over patches of 16 x 16; of plain noise they have a deviation of 1/16. */
    private static NDArray patchMeans(NDArray noise) {
        return noise.reshape(4, 4, 4, 16, 3, 16).mean(new int[] {5}).mean(new int[] {3});
    }

    /** Against torch, with the levels given. */
    @Test
    void pyramidOfGivenLevelsIsThatOfTorch() throws Exception {
        Shape shape = new Shape(2, 2, 9, 12);
        NDArray noise = Randomness.normal(scope, 1, shape);
        long[][] sizes = {{9, 12}, {3, 5}, {1, 2}};
        for (int i = 0; i < sizes.length; i++) {
            NDArray level = Randomness.normal(scope, 2 + i, new Shape(2, 2, sizes[i][0], sizes[i][1]));
            NoiseSource.addLevel(noise, level, Math.pow(0.4, i), scope);
        }

        float[] expected = TrainingGoldens.floats(TrainingGoldens.values().get("pyramid"));
        Goldens.assertClose(NoiseSource.normalised(noise, scope), scope.create(expected, shape), 1e-4, "pyramid");
    }

    @Test
    void inputPerturbationIsInTheInputAloneAndHasItsStrength() {
        NoiseSource source = source("inputPerturbation: 0.1");
        NDArray noise = source.noise(7, "", SHAPE, scope);

        assertThat(noise).isEqualTo(noise("", SHAPE));
        assertThat(deviation(source.ofInput(noise, 7, "", scope).sub(noise))).isCloseTo(0.1, within(0.005));
        assertThat(source("").ofInput(noise, 7, "", scope)).isSameAs(noise);
    }
}
