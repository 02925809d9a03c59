package training.lora.images;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same sources make the same image. */
class ReproducibleTest {
    @Test
    void madeAgainFromNothingItIsTheSameToTheLastByte(@TempDir Path folder) throws Exception {
        Image again = OperatorImage.lay(Project.BUILD);
        Path archive = folder.resolve("again.tar");

        new ArchiveWriter(folder.resolve("cache"), Project.BUILD.time()).write(again, archive);

        assertThat(archive).hasSameBinaryContentAs(UnpackedImage.archive(OperatorImage.NAME));
    }
}
