package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

class ConsoleTest {
    private static final ProgressMessage MESSAGE = ProgressMessageBuilder.builder()
            .version(ProgressMessage.VERSION)
            .runId("run")
            .stage(Stage.Train)
            .attempt(1)
            .step(2)
            .steps(4)
            .time("2026-01-01T00:00:00Z")
            .metrics(List.of(
                    Metric.of("loss", 0.5),
                    Metric.of("addedLosses.tokens.deviationWeight", 0.25),
                    Metric.of("learningRate", 0.125)))
            .build();

    private static String shown(boolean terminal) {
        return shown(MESSAGE, terminal);
    }

    private static String shown(ProgressMessage message, boolean terminal) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new Console(new PrintStream(bytes, true, StandardCharsets.UTF_8), terminal).accept(message);
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** What is cleared is a row: a line that wrapped would leave its first ones at each report. */
    @Test
    void terminalShowsOneRow() {
        assertThat(shown(true))
                .startsWith("\r\u001b[K\u001b[?7l[######------] Train 2/4")
                .endsWith("loss 0.5  learningRate 0.125\u001b[?7h");
    }

    /** With numbers as long as a long training has them. */
    @Test
    void eightyColumnsShowStepsLossTimeLeftAndCheckpointAndTheRestStandsBehind() {
        ProgressMessage message = ProgressMessageBuilder.builder(MESSAGE)
                .step(9000)
                .steps(12000)
                .metrics(List.of(
                        Metric.of("loss", 0.1234),
                        Metric.of("learningRate", 0.0000625),
                        Metric.of("gradientNorm", 0.7654)))
                .estimatedRemainingSeconds(12345)
                .checkpoint(new Checkpoint(9000, List.of()))
                .build();

        String row = shown(message, true).replaceAll("\r|\u001b\\[\\??[0-9]*[a-zA-Z]", "");

        assertThat(row.substring(0, 80))
                .startsWith("[#########---] Train 9000/12000  loss 0.1234  12345 s left  checkpoint 9000 ");
        assertThat(row).endsWith("checkpoint 9000  learningRate 0.00006250  gradientNorm 0.7654");
    }

    @Test
    void aScoreStandsBesideItsCheckpoint() {
        ProgressMessage message = ProgressMessageBuilder.builder(MESSAGE)
                .stage(Stage.Evaluate)
                .metrics(List.of(Metric.of("kept", 0.75)))
                .estimatedRemainingSeconds(9)
                .checkpoint(new Checkpoint(60, List.of(Metric.of("score", 0.5))))
                .build();

        assertThat(shown(message, false).strip())
                .isEqualTo("Evaluate 2/4  9 s left  checkpoint 60 score 0.5  kept 0.75");
    }

    @Test
    void plainLineShowsAll() {
        assertThat(shown(false).strip())
                .isEqualTo("Train 2/4  loss 0.5  addedLosses.tokens.deviationWeight 0.25  learningRate 0.125");
    }
}
