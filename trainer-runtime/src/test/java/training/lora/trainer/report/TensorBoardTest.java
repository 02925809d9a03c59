package training.lora.trainer.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

class TensorBoardTest {
    /** Of 1 x 1 pixel. */
    private static final byte[] PNG = Base64.getDecoder()
            .decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC");

    @TempDir
    Path folder;

    private static ProgressMessage message(Stage stage, int step, @Nullable Checkpoint checkpoint) {
        return ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId("1")
                .stage(stage)
                .attempt(1)
                .step(step)
                .steps(10)
                .time("2026-01-02T03:04:05.500Z")
                .metrics(List.of(Metric.of("loss", 0.25)))
                .checkpoint(checkpoint)
                .build();
    }

    private List<Path> files(String stage) throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve(stage))) {
            return files.sorted().toList();
        }
    }

    private static String text(Path file) throws IOException {
        return Files.readString(file, StandardCharsets.ISO_8859_1);
    }

    /** The first bytes are those of a file that TensorFlow writes. */
    @Test
    void recordsAreFramedAsTensorFlowDoes() throws IOException {
        new TensorBoard(folder, step -> List.of()).accept(message(Stage.Train, 3, null));

        byte[] bytes = Files.readAllBytes(files("train").get(0));
        assertThat(Arrays.copyOf(bytes, 12)).containsExactly(0x18, 0, 0, 0, 0, 0, 0, 0, (byte) 0xa3, 0x7f, 0x4b, 0x22);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int records = 0;
        int at = 0;
        while (at < bytes.length) {
            at += (int) buffer.getLong(at) + 16;
            records++;
        }
        assertThat(at).isEqualTo(bytes.length);
        assertThat(records).as("version, session, scalars").isEqualTo(3);
        // The tag, then 0.25 as a little-endian float.
        assertThat(text(files("train").get(0))).contains("loss\u0015\0\0\u0080>");
    }

    @Test
    void picturesOfACheckpointAreInIt() throws IOException {
        Path picture = Files.write(folder.resolve("00.png"), PNG);
        TensorBoard board = new TensorBoard(folder.resolve("logs"), step -> step == 5 ? List.of(picture) : List.of());

        board.accept(message(Stage.Train, 4, null));
        int before = Files.readAllBytes(files("logs/train").get(0)).length;
        board.accept(message(Stage.Train, 5, new Checkpoint(5, List.of(Metric.of("score", 0.5)))));

        String text = text(files("logs/train").get(0));
        assertThat(text.length() - before).isGreaterThan(PNG.length);
        assertThat(text).contains("samples/0", "checkpoint/score", new String(PNG, StandardCharsets.ISO_8859_1));
    }

    @Test
    void whatGoesBackBeginsAFileThatTakesBackLaterSteps() throws IOException {
        TensorBoard board = new TensorBoard(folder, step -> List.of());

        board.accept(message(Stage.Train, 4, null));
        board.accept(message(Stage.Train, 6, null));
        board.accept(message(Stage.Train, 5, null));

        assertThat(files("train")).hasSize(2);
        // Step 5, a session log of two bytes that says START.
        assertThat(text(files("train").get(1))).contains("\u0010\u0005:\u0002\u0008\u0001");
    }

    @Test
    void folderThatCannotBeWrittenHurtsNothing() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        TensorBoard board = new TensorBoard(file, step -> List.of());

        board.accept(message(Stage.Train, 4, null));
        board.accept(message(Stage.Train, 5, null));

        assertThat(Files.size(file)).isZero();
    }
}
