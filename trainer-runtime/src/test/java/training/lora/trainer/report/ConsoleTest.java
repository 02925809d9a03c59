package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
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
                    Metric.of("tokens.deviationWeight", 0.25),
                    Metric.of("learningRate", 0.125)))
            .build();

    private static String shown(boolean terminal) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new Console(new PrintStream(bytes, true, StandardCharsets.UTF_8), terminal).accept(MESSAGE);
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /** What is cleared is a row: a line that wrapped would leave its first ones at each report. */
    @Test
    void terminalShowsOneRow() {
        assertThat(shown(true))
                .startsWith("\r\u001b[K\u001b[?7l[############------------] Train 2/4")
                .endsWith("loss 0.5  learningRate 0.125\u001b[?7h");
    }

    @Test
    void plainLineShowsAll() {
        assertThat(shown(false).strip())
                .isEqualTo("Train 2/4  loss 0.5  tokens.deviationWeight 0.25  learningRate 0.125");
    }
}
