package training.lora.operator.progress;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;
import training.lora.operator.progress.ProgressBoard.Sender;

final class ProgressBoardTest {
    private final ProgressBoard board = new ProgressBoard();

    private static final Sender FIRST = new Sender("pod-1", Instant.parse("2026-01-01T00:00:00Z"));
    private static final Sender SECOND = new Sender("pod-2", Instant.parse("2026-01-01T00:01:00Z"));

    @Test
    void onlyTheNewestAttemptIsKept() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\"}");

        assertThat(board.offer(run, FIRST, message(Stage.Train, 1, 50))).isTrue();
        assertThat(board.offer(run, FIRST, message(Stage.Train, 2, 1))).isTrue();
        assertThat(board.offer(run, FIRST, message(Stage.Train, 1, 90))).isFalse();
        assertThat(keptStep()).isEqualTo(1);
    }

    @Test
    void aPodsLaterReportCountsThoughItsTrainingWentBackSomeSteps() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\"}");

        assertThat(board.offer(run, FIRST, at(50, "2026-01-01T00:00:10Z"))).isTrue();
        assertThat(board.offer(run, FIRST, at(20, "2026-01-01T00:00:12Z"))).isTrue();
        assertThat(board.offer(run, FIRST, at(55, "2026-01-01T00:00:11Z"))).isFalse();
        assertThat(keptStep()).isEqualTo(20);
    }

    @Test
    void aReplacedPodsReportCountsAndTheOldOnesNoMore() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\"}");

        assertThat(board.offer(run, FIRST, at(50, "2026-01-01T00:01:10Z"))).isTrue();
        // Its node's clock is behind.
        assertThat(board.offer(run, SECOND, at(30, "2026-01-01T00:01:05Z"))).isTrue();
        assertThat(board.offer(run, FIRST, at(60, "2026-01-01T00:01:20Z"))).isFalse();
        assertThat(keptStep()).isEqualTo(30);
    }

    @Test
    void whatAnotherReplicaHasWrittenIsNotOverwrittenByAnEarlierReport() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\",\"progress\":{\"stage\":\"Train\",\"attempt\":1,"
                + "\"step\":50,\"lastUpdatedTime\":\"2026-01-01T00:00:10Z\"}}");

        assertThat(board.offer(run, FIRST, at(60, "2026-01-01T00:00:09Z"))).isFalse();
        assertThat(board.offer(run, FIRST, at(40, "2026-01-01T00:00:12Z"))).isTrue();
    }

    @Test
    void aReplacedPodsReportCountsThoughTheClockOfTheEarlierNodeWasAhead() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\",\"progress\":{\"stage\":\"Train\",\"attempt\":1,\"step\":50,"
                + "\"podCreationTime\":\"2026-01-01T00:00:00Z\",\"lastUpdatedTime\":\"2026-01-01T00:30:00Z\"}}");

        assertThat(board.offer(run, FIRST, at(60, "2026-01-01T00:29:59Z"))).isFalse();
        assertThat(board.offer(run, SECOND, at(30, "2026-01-01T00:01:05Z"))).isTrue();
        assertThat(keptStep()).isEqualTo(30);
    }

    @Test
    void anEarlierPodsReportDoesNotCountThoughItsNodesClockIsAhead() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\",\"progress\":{\"stage\":\"Train\",\"attempt\":1,\"step\":30,"
                + "\"podCreationTime\":\"2026-01-01T00:01:00Z\",\"lastUpdatedTime\":\"2026-01-01T00:01:05Z\"}}");

        assertThat(board.offer(run, FIRST, at(60, "2026-01-01T00:30:00Z"))).isFalse();
    }

    @Test
    void afterARestartTheStatusTellsWhatIsStale() throws Exception {
        LoraTraining ended = resource("{\"runId\":\"abc\",\"stages\":[{\"name\":\"Train\",\"attempt\":1,"
                + "\"jobName\":\"j\",\"outcome\":\"Succeeded\"}]}");
        LoraTraining other = resource("{\"runId\":\"other\"}");

        assertThat(board.offer(ended, FIRST, message(Stage.Train, 1, 50))).isFalse();
        assertThat(board.offer(ended, FIRST, message(Stage.Prepare, 3, 50))).isFalse();
        assertThat(board.offer(other, FIRST, message(Stage.Train, 1, 50))).isFalse();
        assertThat(board.offer(ended, FIRST, message(Stage.Evaluate, 1, 1))).isTrue();
    }

    @Test
    void aStagesFirstReportAndItsLastAreUrgent() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\"}");

        assertThat(urgentAfter(run, 1)).isTrue();
        board.entries().forEach(board::written);
        assertThat(urgentAfter(run, 2)).isFalse();
        assertThat(urgentAfter(run, 100)).isTrue();
    }

    @Test
    void theBucketGivesNoMoreThanItsRate() {
        Instant start = Instant.EPOCH;
        TokenBucket bucket = new TokenBucket(2, start);

        assertThat(List.of(bucket.take(start), bucket.take(start), bucket.take(start)))
                .containsExactly(true, true, false);
        assertThat(bucket.take(start.plusMillis(500))).isTrue();
        assertThat(bucket.takeInAdvance(start.plusMillis(500))).isTrue();
        assertThat(bucket.take(start.plusMillis(1000))).isFalse();
    }

    @Test
    void theBucketGivesNoMoreThanASecondsWorthInAdvance() {
        Instant start = Instant.EPOCH;
        TokenBucket bucket = new TokenBucket(2, start);

        assertThat(Stream.generate(() -> bucket.takeInAdvance(start)).limit(6))
                .containsExactly(true, true, true, true, false, false);
        assertThat(bucket.take(start.plusMillis(1500))).isTrue();
    }

    private boolean urgentAfter(LoraTraining run, int step) {
        assertThat(board.offer(run, FIRST, message(Stage.Train, 1, step))).isTrue();
        return board.entries().values().iterator().next().urgent();
    }

    private int keptStep() {
        assertThat(board.entries()).hasSize(1);
        return board.entries().values().iterator().next().message().step();
    }

    private static ProgressMessage at(int step, String time) {
        return ProgressMessageBuilder.builder(message(Stage.Train, 1, step))
                .time(time)
                .build();
    }

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

    private static LoraTraining resource(String status) throws Exception {
        LoraTraining resource = new LoraTraining();
        resource.setMetadata(new ObjectMetaBuilder()
                .withNamespace("default")
                .withName("style")
                .withUid("uid-1")
                .build());
        resource.setStatus(Json.MAPPER.readValue(status, LoraTrainingStatus.class));
        return resource;
    }
}
