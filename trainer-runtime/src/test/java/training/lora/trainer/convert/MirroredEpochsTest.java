package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pictures that are mirrored by chance make no epoch longer, and copies of them do: a training is as long as it was. */
class MirroredEpochsTest {
    private static final String WHY = ": with preparation.flip an epoch here has mirrored copies too";

    @TempDir
    Path folder;

    private void pictures(String path, int count) throws IOException {
        Files.createDirectories(folder.resolve(path));
        for (int i = 0; i < count; i++) {
            Files.createFile(folder.resolve(path).resolve(i + ".png"));
        }
    }

    private Converted kohya(boolean flip, int epochs) throws IOException {
        return Conversions.kohyaSets(
                "train_network",
                folder,
                "flip_aug = %b; max_train_epochs = %d; save_every_n_epochs = 1; lr_scheduler = 'cosine'; lr_warmup_steps = 0.5; train_batch_size = 2"
                        .formatted(flip, epochs));
    }

    private Converted oneTrainer(String changes) throws IOException {
        ObjectNode file = Conversions.least(Tool.OneTrainer);
        Conversions.json("{\"concepts.image.enable_random_flip\": true, \"batch_size\": 2, " + changes + "}")
                .fields()
                .forEachRemaining(field -> Conversions.set(file, field.getKey(), field.getValue()));
        return Conversions.convert(Tool.OneTrainer, folder, file);
    }

    /** 3 times 5 pictures, 2 a step. */
    @Test
    void kohyasEpochsAreAsManySteps() throws IOException {
        pictures("sets/3_robot", 5);

        Converted converted = kohya(true, 10);

        JsonNode training = converted.training().at("/spec/training");
        assertThat(training.path("steps").asInt()).isEqualTo(80);
        assertThat(training.has("epochs")).isFalse();
        assertThat(training.at("/optimizer/schedule/warmupSteps").asInt()).isEqualTo(40);
        assertThat(training.at("/checkpoints/everySteps").asInt()).isEqualTo(8);
        assertThat(converted.warnings()).contains("`max_train_epochs` 10 became 80 steps" + WHY);
        assertThat(converted.origins()).containsEntry("spec.training.steps", "max_train_epochs");
    }

    @Test
    void withoutMirroredCopiesEpochsStayEpochs() throws IOException {
        pictures("sets/3_robot", 5);

        Converted converted = kohya(false, 10);

        assertThat(converted.training().at("/spec/training/epochs").asInt()).isEqualTo(10);
        assertThat(converted.training().at("/spec/training").has("steps")).isFalse();
        assertThat(converted.warnings()).noneMatch(warning -> warning.contains("max_train_epochs"));
    }

    @ParameterizedTest
    @CsvSource({"10, 5", "5, 3", "1, 1"})
    void epochsOfPicturesThatCantBeCountedAreHalved(int epochs, int half) throws IOException {
        Converted converted = oneTrainer("\"concepts.path\": \"absent\", \"epochs\": " + epochs);

        assertThat(converted.training().at("/spec/training/epochs").asInt()).isEqualTo(half);
        assertThat(converted.training().at("/spec/training").has("steps")).isFalse();
        assertThat(converted.warnings())
                .contains("`epochs` %d became %d, each as long as two there".formatted(epochs, half) + WHY);
    }

    @Test
    void oneTrainersEpochsAreAsManySteps() throws IOException {
        pictures("pictures", 5);

        JsonNode training = oneTrainer(
                        "\"epochs\": 20, \"save_every\": 2, \"save_every_unit\": \"EPOCH\", \"text_encoder.stop_training_after\": 5, \"learning_rate_warmup_steps\": 0.5")
                .training()
                .at("/spec/training");

        assertThat(training.path("steps").asInt()).isEqualTo(60);
        assertThat(training.has("epochs")).isFalse();
        assertThat(training.at("/checkpoints/everySteps").asInt()).isEqualTo(6);
        assertThat(training.at("/optimizer/schedule/warmupSteps").asInt()).isEqualTo(30);
        assertThat(training.at("/optimizer/textEncoderStopFraction").asDouble()).isEqualTo(0.25);
    }

    @Test
    void oneTrainersEmbeddingsStopWhereTheyDoThere() throws IOException {
        pictures("pictures", 5);

        JsonNode training = oneTrainer(
                        "\"training_method\": \"EMBEDDING\", \"epochs\": 20, \"embedding.stop_training_after\": 5, \"embedding.stop_training_after_unit\": \"EPOCH\"")
                .training()
                .at("/spec/training");

        assertThat(training.path("steps").asInt()).isEqualTo(60);
        assertThat(training.at("/tokens/stopFraction").asDouble()).isEqualTo(0.25);
    }
}
