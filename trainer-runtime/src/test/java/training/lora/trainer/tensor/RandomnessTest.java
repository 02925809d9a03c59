package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Values are torch 2.15's on CPU: {@code torch.manual_seed(seed); torch.randn(shape)}. */
class RandomnessTest {
    @Test
    void normalIsTorchsBitForBit() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            // Under 16 values torch draws one by one, from 16 on in blocks.
            assertThat(Randomness.normal(manager, 7, new Shape(5)).toFloatArray())
                    .containsExactly(
                            -0.1467950940132141f,
                            0.7861412763595581f,
                            0.9468216300010681f,
                            -1.1143440008163452f,
                            1.6907901763916016f);
            assertThat(Randomness.normal(manager, 7, new Shape(20)).toFloatArray())
                    .startsWith(-0.8201345205307007f, 0.39563116431236267f, 0.8989084959030151f, -1.3884038925170898f)
                    .endsWith(-0.866701602935791f, -0.5640066862106323f, -2.056462526321411f, -0.35672253370285034f);
            assertThat(Randomness.normal(manager, 123_456_789_012_345L, new Shape(3, 7))
                            .toFloatArray())
                    .startsWith(-0.30752086639404297f, -2.4112682342529297f)
                    .endsWith(-0.6187048554420471f, -0.20871064066886902f);
        }
    }

    @Test
    void uniformIsTorchsBitForBit() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThat(Randomness.uniform(manager, 7, new Shape(6), -2, 3).toFloatArray())
                    .containsExactly(
                            0.6746127009391785f,
                            -1.0059840679168701f,
                            1.2960584163665771f,
                            1.2844513654708862f,
                            -0.8361921906471252f,
                            0.12530702352523804f);
        }
    }

    @Test
    void drawsDoNotDependOnTheirOrder() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float[] first = Randomness.normal(manager, 3, new Shape(33)).toFloatArray();
            Randomness.normal(manager, 4, new Shape(5)).close();

            assertThat(Randomness.normal(manager, 3, new Shape(33)).toFloatArray())
                    .containsExactly(first);
        }
    }

    @Test
    void seedsDifferByStepAndPurpose() {
        assertThat(IntStream.range(0, 1000).boxed().flatMap(step -> IntStream.range(0, 3)
                        .mapToObj(purpose -> Randomness.derive(step % 7, step, "purpose" + purpose))))
                .doesNotHaveDuplicates()
                .allSatisfy(seed -> assertThat(seed).isNotNegative());
        assertThat(Randomness.derive(1, 2, "noise")).isEqualTo(Randomness.derive(1, 2, "noise"));
    }
}
