package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

class JsonLinesTest {
    @TempDir
    Path folder;

    private static ProgressMessage message(Stage stage, int attempt, int step) {
        return ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId("abc")
                .stage(stage)
                .attempt(attempt)
                .step(step)
                .steps(100)
                .time("2026-01-01T00:00:00Z")
                .metrics(List.of())
                .build();
    }

    private JsonLines lines() {
        return new JsonLines(folder.resolve("below/events.jsonl"));
    }

    private List<String> told() throws IOException {
        List<String> told = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve("below/events.jsonl"))) {
            ProgressMessage message = Json.MAPPER.readValue(line, ProgressMessage.class);
            told.add(message.stage() + " " + message.attempt() + " " + message.step());
        }
        return told;
    }

    @Test
    void messagesFollowOneAnother() throws IOException {
        JsonLines lines = lines();
        lines.accept(message(Stage.Prepare, 1, 3));
        lines.accept(message(Stage.Train, 1, 0));
        lines.accept(message(Stage.Train, 1, 7));

        assertThat(told()).containsExactly("Prepare 1 3", "Train 1 0", "Train 1 7");
    }

    @Test
    void stageThatGoesBackTakesBackWhatItSaidOfLaterSteps() throws IOException {
        JsonLines lines = lines();
        for (int step : new int[] {0, 10, 20, 30}) {
            lines.accept(message(Stage.Train, 1, step));
        }
        lines.accept(message(Stage.Train, 1, 15));

        assertThat(told()).containsExactly("Train 1 0", "Train 1 10", "Train 1 15");
    }

    @Test
    void nextAttemptGoesOnInTheSameFileAfterAHalfWrittenLine() throws IOException {
        JsonLines first = lines();
        first.accept(message(Stage.Prepare, 1, 50));
        first.accept(message(Stage.Train, 1, 10));
        first.accept(message(Stage.Train, 1, 20));
        Files.writeString(folder.resolve("below/events.jsonl"), "{\"version\":\"lo", StandardOpenOption.APPEND);

        JsonLines second = lines();
        second.accept(message(Stage.Train, 2, 20));
        second.accept(message(Stage.Train, 2, 30));

        assertThat(told()).containsExactly("Prepare 1 50", "Train 1 10", "Train 2 20", "Train 2 30");
    }
}
