package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.junit.jupiter.api.Test;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.train.TrainingSpecs;

class AdamWTest {
    /** Expected values: torch.optim.AdamW (foreach=False), with clip_grad_norm_ to 1 before each step. */
    @Test
    void followsTorchOverThreeSteps() {
        float[][] gradients = {{0.5f, -2, 0.25f}, {-0.1f, 0.3f, 0.05f}, {3, 3, -3}};
        float[][] expected = {
            {0.979000032f, -0.479499996f, 0.229750007f},
            {0.972387671f, -0.471613199f, 0.211722046f},
            {0.957068741f, -0.473624200f, 0.222300202f}
        };
        float[] norms = {2.076655865f, 0.320156217f, 5.196152210f};
        OptimizerSpec settings = TrainingSpecs.of("optimizer: {weightDecay: 0.05, beta1: 0.8, beta2: 0.95}")
                .optimizer();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray p = manager.create(new float[] {1, -0.5f, 0.25f});
                AdamW optimizer =
                        new AdamW(ParameterTable.single(3, ParameterGroup.of(settings)), p, settings, manager)) {
            for (int k = 0; k < gradients.length; k++) {
                NDArray gradient = manager.create(gradients[k]);

                float norm = optimizer
                        .step(gradient, Rates.constant(k, 0.02, 1), manager)
                        .getFloat();

                assertThat(norm).isCloseTo(norms[k], within(1e-6f));
                assertThat(p.toFloatArray()).containsExactly(expected[k], within(1e-7f));
                assertThat(gradient.toFloatArray()).containsOnly(0);
            }
        }
    }

    /** As torch has it with two parameter groups, of lr 0.02 and 0.005, whose gradients are scaled together. */
    @Test
    void textEncodersHaveARateOfTheirOwnAsParameterGroupsOfTorchHave() {
        float[][] gradients = {{0.5f, -2, 0.25f}, {-0.1f, 0.3f, 0.05f}, {3, 3, -3}};
        float[][] expected = {
            {0.979000032f, -0.479499996f, 0.244937509f},
            {0.972387671f, -0.471613199f, 0.240426734f},
            {0.957068741f, -0.473624200f, 0.243064106f}
        };
        OptimizerSpec settings = TrainingSpecs.of(
                        "adapter: {textEncoder: true}, optimizer: {learningRate: 0.04, textEncoderLearningRate: 0.01, weightDecay: 0.05, beta1: 0.8, beta2: 0.95}")
                .optimizer();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray p = manager.create(new float[] {1, -0.5f, 0.25f});
                Optimizer optimizer = Optimizer.of(settings, Tables.withText(3, 2, settings), p, manager)) {
            for (int k = 0; k < gradients.length; k++) {
                // The schedule is at half its height.
                optimizer.step(manager.create(gradients[k]), Rates.constant(k, 0.02, 2), manager);

                assertThat(p.toFloatArray()).containsExactly(expected[k], within(1e-7f));
            }
        }
    }
}
