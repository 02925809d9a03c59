package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CrdTest {
    private static final Path COMMITTED =
            Path.of("src/main/resources/META-INF/fabric8/loratrainings.lora.training-v1.yml");

    @TempDir
    Path folder;

    @Test
    void committedCrdIsWhatTheRecordsSay() throws IOException {
        String generated = CrdWriter.write(folder);

        if (Boolean.getBoolean("crd.update")) {
            Files.writeString(COMMITTED, generated);
        }

        assertThat(Files.readString(COMMITTED)).isEqualTo(generated);
    }
}
