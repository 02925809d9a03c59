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
        compareTrainers(Project.CPU);
    }

    @Test
    void theTrainersForCardsIsThatOfItsImage() throws IOException {
        compareTrainers(Project.CUDA);
    }

    private static void compareTrainers(TorchNatives torch) throws IOException {
        compare(
                torch.image(),
                Dockerfile.of(torch.image(), TrainerImage.config(Project.BUILD, torch), TrainerImage.layers(torch)));
    }

    private static void compare(String name, String wanted) throws IOException {
        Path file = Project.HOME.resolve("images/" + name + ".Dockerfile");
        if (System.getProperty("update") != null) {
            Files.writeString(file, wanted);
        }
        assertThat(file).hasContent(wanted);
    }
}
