package training.lora.trainer.train.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.Prediction;
import training.lora.api.PromptAlignmentSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.train.Schedules;
import training.lora.trainer.train.batch.Aligned;
import training.lora.trainer.train.batch.Told;

class PromptAlignmentTest {
    /** src/test/goldens/prior_goldens.py made them, by torch's autograd. */
    private static final Path GOLDENS = Path.of("src/test/resources/prior-goldens/alignment.safetensors");

    private static final Shape SHAPE = new Shape(2, 4, 3, 3);

    @ParameterizedTest
    @EnumSource(Prediction.class)
    void gradientsAreThoseOfAutogradThroughTheEstimate(Prediction prediction) {
        String name = prediction == Prediction.V ? "v" : "epsilon";
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            NoiseSchedule schedule = Schedules.predicting(prediction);
            PromptAlignment alignment = new PromptAlignment(schedule, new PromptAlignmentSpec("a qzx", 0.3, 15.0, 7.5));
            NDArray predicted = Randomness.normal(manager, 31, SHAPE);
            NDArray noisy = Randomness.normal(manager, 32, SHAPE);
            Told nothing = new Told.Embedded(Conditioning.of(manager.create(0f)));
            Aligned aligned = new Aligned(
                    nothing,
                    nothing,
                    nothing,
                    nothing,
                    Randomness.normal(manager, 33, SHAPE),
                    new int[] {400, 900},
                    new float[] {1, 1});
            NDArray gradient = manager.ones(SHAPE);

            NDArray again = alignment.noisedAgain(noisy, predicted, new int[] {100, 700}, aligned, manager);
            alignment.addTo(
                    gradient,
                    new PromptAlignment.Predictions(
                            Randomness.normal(manager, 34, SHAPE),
                            Randomness.normal(manager, 35, SHAPE),
                            Randomness.normal(manager, 36, SHAPE),
                            Randomness.normal(manager, 37, SHAPE)),
                    aligned,
                    3,
                    manager);

            assertClose(again, golden.read(name + ".noised", manager), 1e-4, "noised");
            assertClose(gradient.sub(1), golden.read(name + ".gradient", manager), 1e-3, "gradient");
        }
    }

    @Test
    void samplesWithoutAFactorAreLeftAlone() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            PromptAlignment alignment =
                    new PromptAlignment(Schedules.STABLE_DIFFUSION, new PromptAlignmentSpec("a qzx", 0.3, 15.0, 7.5));
            Told nothing = new Told.Embedded(Conditioning.of(manager.create(0f)));
            Aligned aligned = new Aligned(
                    nothing, nothing, nothing, nothing, manager.zeros(SHAPE), new int[] {400, 900}, new float[] {0, 1});
            NDArray gradient = manager.ones(SHAPE);
            NDArray some = Randomness.normal(manager, 34, SHAPE);
            NDArray other = Randomness.normal(manager, 35, SHAPE);

            NDArray loss = alignment.addTo(
                    gradient, new PromptAlignment.Predictions(some, other, other, some), aligned, 2, manager);

            assertThat(gradient.get(0).toFloatArray()).containsOnly(1);
            assertThat(gradient.get(1).toFloatArray()).doesNotContain(1);
            // Of 36 elements a sample and 2 samples, the target is d away: 2 w d / 72 is the gradient, w d^2 / 72 the
            // loss.
            NDArray distance = gradient.sub(1).mul(72 / (2 * 0.3));
            assertThat(loss.getFloat())
                    .isCloseTo(distance.square().sum().getFloat() * 0.3f / 72, withinPercentage(0.1));
        }
    }
}
