package training.lora.trainer.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.SavedState;

final class SavedStatesTest {
    @TempDir
    Path train;

    @Test
    void theNewestStateIsThatOfTheLatestStepWithTheTimeAtWhichItWasWritten() throws IOException {
        assertThat(SavedStates.newest(train)).isNull();

        state("step-000900.safetensors", "2026-01-01T00:09:00Z");
        state("step-001000.safetensors", "2026-01-01T00:10:00Z");
        state(".step-001100.safetensors.tmp", "2026-01-01T00:11:00Z");

        assertThat(SavedStates.newest(train)).isEqualTo(new SavedState(1000, "2026-01-01T00:10:00Z"));
        assertThat(SavedStates.steps(SavedStates.folder(train))).containsExactly(1000, 900);
    }

    private void state(String name, String time) throws IOException {
        Path file = Files.createDirectories(SavedStates.folder(train)).resolve(name);
        Files.setLastModifiedTime(Files.writeString(file, ""), FileTime.from(Instant.parse(time)));
    }
}
