package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same sources make the same image. */
class ReproducibleTest {
    /** But the one with gigabytes, which differs from that for CPUs by files that are copied. */
    static List<String> images() {
        return Project.images().stream()
                .filter(name -> !name.equals(CudaNatives.NAME))
                .toList();
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("images")
    void madeAgainFromNothingItIsTheSameToTheLastByte(String name, @TempDir Path folder) throws Exception {
        Image again = name.equals(OperatorImage.NAME)
                ? OperatorImage.lay(Project.BUILD)
                : TrainerImage.lay(Project.BUILD, Project.CPU);
        Path archive = folder.resolve("again.tar");

        new ArchiveWriter(folder.resolve("cache"), Project.BUILD.time()).write(again, archive);

        assertThat(archive).hasSameBinaryContentAs(UnpackedImage.archive(name));
    }
}
