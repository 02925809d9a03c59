package training.lora.trainer.trained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LossLogTest {
    @TempDir
    Path folder;

    private static List<LossLog.Line> lines(int from, int to) {
        return IntStream.rangeClosed(from, to)
                .mapToObj(k -> new LossLog.Line(k, 1.0 / k, 1e-4, 0.3 * k))
                .toList();
    }

    private Path written(int steps) throws IOException {
        Path file = folder.resolve("loss.jsonl");
        LossLog log = new LossLog(file);
        log.add(lines(1, steps));
        log.force();
        return file;
    }

    @Test
    void linesComeBackWithTheVeryNumbers() throws IOException {
        Path file = written(5);

        assertThat(new LossLog(file).lines()).isEqualTo(lines(1, 5));
        assertThat(Files.readAllLines(file))
                .hasSize(5)
                .last()
                .isEqualTo("{\"step\":5,\"loss\":0.2,\"learningRate\":1.0E-4,\"gradientNorm\":1.5}");
    }

    @Test
    void endThatWasTornOffIsNoLine() throws IOException {
        Path file = written(5);
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(whole, whole.length - 20));

        LossLog log = new LossLog(file);
        assertThat(log.lines()).isEqualTo(lines(1, 4));

        log.cut(3);
        log.add(lines(4, 6));
        assertThat(new LossLog(file).lines()).isEqualTo(lines(1, 6));
    }

    @Test
    void linesBehindAGapDoNotCount() throws IOException {
        Path file = written(3);
        Files.writeString(
                file,
                "{\"step\":5,\"loss\":1.0,\"learningRate\":1.0,\"gradientNorm\":1.0}\n",
                StandardOpenOption.APPEND);

        assertThat(new LossLog(file).lines()).isEqualTo(lines(1, 3));
    }

    @Test
    void recentLossIsTheMeanOfTheNewestLines() throws IOException {
        LossLog log = new LossLog(written(4));

        assertThat(log.recent(2)).isCloseTo((1.0 / 3 + 1.0 / 4) / 2, within(1e-12));
        assertThat(log.recent(100)).isCloseTo((1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4) / 4, within(1e-12));
        log.cut(0);
        assertThat(log.recent(2)).isNaN();
    }
}
