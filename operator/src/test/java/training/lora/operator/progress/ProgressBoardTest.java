package training.lora.operator.progress;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

final class ProgressBoardTest {
    private final ProgressBoard board = new ProgressBoard();

    @Test
    void onlyTheNewestAttemptAndStepIsKept() throws Exception {
        LoraTraining run = resource("{\"runId\":\"abc\"}");

        assertThat(board.offer(run, message(Stage.Train, 1, 50))).isTrue();
        assertThat(board.offer(run, message(Stage.Train, 1, 49))).isFalse();
        assertThat(board.offer(run, message(Stage.Train, 2, 1))).isTrue();
        assertThat(board.offer(run, message(Stage.Train, 1, 90))).isFalse();
        assertThat(board.entries().values())
                .singleElement()
                .satisfies(e -> assertThat(e.message().step()).isEqualTo(1));
    }

    @Test
    void afterARestartTheStatusTellsWhatIsStale() throws Exception {
        LoraTraining ended = resource("{\"runId\":\"abc\",\"stages\":[{\"name\":\"Train\",\"attempt\":1,"
                + "\"jobName\":\"j\",\"outcome\":\"Succeeded\"}]}");
        LoraTraining other = resource("{\"runId\":\"other\"}");

        assertThat(board.offer(ended, message(Stage.Train, 1, 50))).isFalse();
        assertThat(board.offer(ended, message(Stage.Prepare, 3, 50))).isFalse();
        assertThat(board.offer(other, message(Stage.Train, 1, 50))).isFalse();
        assertThat(board.offer(ended, message(Stage.Evaluate, 1, 1))).isTrue();
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
        bucket.force(start.plusMillis(500));
        assertThat(bucket.take(start.plusMillis(1000))).isFalse();
    }

    private boolean urgentAfter(LoraTraining run, int step) {
        assertThat(board.offer(run, message(Stage.Train, 1, step))).isTrue();
        return board.entries().values().iterator().next().urgent();
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
