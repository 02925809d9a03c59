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

    /** A chart has no file from elsewhere. */
    private static final Path IN_CHART = Path.of("../charts/lora-operator/files/crd.yaml");

    private static final Path TABLE = Path.of("../docs/fields.md");

    @TempDir
    Path folder;

    @Test
    void committedCrdIsWhatTheRecordsSay() throws IOException {
        String generated = CrdWriter.write(folder);

        if (Boolean.getBoolean("crd.update")) {
            Files.writeString(COMMITTED, generated);
            Files.writeString(IN_CHART, generated);
        }

        assertThat(Files.readString(COMMITTED)).isEqualTo(generated);
        assertThat(IN_CHART).hasSameTextualContentAs(COMMITTED);
    }

    @Test
    void theTableOfFieldsIsTheCrds() throws IOException {
        String table = FieldTable.of(Json.STRICT_YAML.readTree(CrdWriter.write(folder)));

        if (Boolean.getBoolean("crd.update")) {
            Files.writeString(TABLE, table);
        }

        assertThat(TABLE).hasContent(table);
    }
}
