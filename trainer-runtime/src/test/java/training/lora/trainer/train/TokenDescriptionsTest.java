package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.Goldens;
import training.lora.trainer.WholeWords;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.StableDiffusion;

class TokenDescriptionsTest {
    @ParameterizedTest
    @ValueSource(strings = {"sd15", "sdxl"})
    void promptsOfTokensComeNearToTheirDescriptionInTheSameBitsEachTime(String family) {
        Path folder = family.equals("sdxl") ? Goldens.FOLDER.resolve("sdxl") : Goldens.BUNDLED.resolve("emoji-sd");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(folder, manager);
                TokenEmbeddings one = tokens(model, manager);
                TokenEmbeddings other = tokens(model, manager)) {
            NDArray before = one.parameters().duplicate();

            double[] distances = train(one, model, manager);
            train(other, model, manager);

            assertThat(distances[1]).isLessThan(0.7 * distances[0]);
            assertThat(one.parameters()).isEqualTo(other.parameters()).isNotEqualTo(before);
        }
    }

    private static double[] train(TokenEmbeddings tokens, StableDiffusion model, NDManager manager) {
        return TokenDescriptions.train(
                tokens,
                Map.of("qzx", "a small red cat with a green hat"),
                TrainingSpecs.of("tokens: {count: 3, learningRate: 0.01, descriptionSteps: 40, deviationWeight: 0}"),
                model.prompts(),
                () -> {},
                manager);
    }

    private static TokenEmbeddings tokens(StableDiffusion model, NDManager manager) {
        return TokenEmbeddings.create(
                List.of(new TokenEmbeddings.Word("qzx", 3, null), new TokenEmbeddings.Word("zzw", 2, "cat")),
                model.prompts().vocabularies(),
                WholeWords::of,
                3,
                manager);
    }
}
