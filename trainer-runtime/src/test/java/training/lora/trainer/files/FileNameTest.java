package training.lora.trainer.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class FileNameTest {
    @Test
    void decomposedNameIsReadComposed() {
        assertThat(FileName.of(Path.of("folder", "cafe\u0301.png"))).isEqualTo("caf\u00e9.png");
    }
}
