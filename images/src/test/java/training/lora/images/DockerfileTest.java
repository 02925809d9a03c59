package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The Dockerfiles say what the images made without an engine are. */
class DockerfileTest {
    @Test
    void theOperatorsIsThatOfItsImage() throws IOException {
        compare(
                OperatorImage.NAME,
                Dockerfile.of(OperatorImage.NAME, OperatorImage.config(Project.BUILD), OperatorImage.LAYERS));
    }

    @Test
    void theTrainersIsThatOfItsImage() throws IOException {
        compare(
                TrainerImage.NAME,
                Dockerfile.of(TrainerImage.NAME, TrainerImage.config(Project.BUILD), TrainerImage.LAYERS));
    }

    private static void compare(String name, String wanted) throws IOException {
        Path file = Project.HOME.resolve("images/" + name + ".Dockerfile");
        if (System.getProperty("update") != null) {
            Files.writeString(file, wanted);
        }
        assertThat(file).hasContent(wanted);
    }
}
