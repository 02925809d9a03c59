package training.lora.operator.progress;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

@EnableKubernetesMockClient(crud = true)
@SuppressWarnings("NullAway.Init") // client and server are set by the extension
final class ProgressWriterTest {
    private static final String RUNNING =
            "{'runId':'abc','stages':[{'name':'Train','attempt':1,'jobName':'style-train-1'}]}";
    private static final String ENDED =
            "{'runId':'abc','stages':[{'name':'Train','attempt':1,'jobName':'style-train-1',"
                    + "'outcome':'Succeeded'}],'progress':{'stage':'Train','attempt':1,'percent':'100%'}}";

    private static final ProgressBoard.Sender SENDER =
            new ProgressBoard.Sender("pod-1", Instant.parse("2025-12-31T23:59:00Z"));

    private KubernetesClient client;
    private KubernetesMockServer server;
    /** What the operator's informer knows. */
    private final Map<ResourceID, LoraTraining> known = new HashMap<>();

    private final ProgressBoard board = new ProgressBoard();
    private final TestClock clock = new TestClock();
    private ProgressWriter writer;

    @BeforeEach
    void setUp() {
        client.getConfiguration().setRequestRetryBackoffLimit(0);
        board.read(id -> Optional.ofNullable(known.get(id)), id -> Optional.empty());
        writer = new ProgressWriter(client, board, 10, clock);
    }

    @Test
    void aFailingWriteDoesNotHoldUpTheOthersAndIsTriedAgain() throws Exception {
        server.expect()
                .patch()
                .withPath("/apis/lora.training/v1alpha1/namespaces/default/loratrainings/b/status")
                .andReturn(500, "")
                .once();
        for (String name : List.of("a", "b", "c")) {
            report(create(name, RUNNING), 50, "0.08");
        }

        writer.round();
        assertThat(percent("a")).isEqualTo("50%");
        assertThat(percent("b")).isNull();
        assertThat(percent("c")).isEqualTo("50%");

        clock.now = clock.now.plusSeconds(2);
        writer.round();
        assertThat(percent("b")).isEqualTo("50%");
    }

    @Test
    void aLateReportDoesNotOverwriteTheEnd() throws Exception {
        LoraTraining style = create("style", RUNNING);
        report(style, 10, "0.08");
        LoraTraining ended = store(style, ENDED);

        writer.round();
        assertThat(percent("style")).isEqualTo("100%");
        assertThat(board.size()).isEqualTo(1);

        known.put(ResourceID.fromResource(ended), ended);
        writer.round();
        assertThat(percent("style")).isEqualTo("100%");
        assertThat(board.size()).isZero();
    }

    @Test
    void aReportOfAResourceThatIsGoneIsForgotten() throws Exception {
        LoraTraining style = create("style", RUNNING);
        report(style, 10, "0.08");
        client.resource(style).delete();

        writer.round();

        assertThat(board.size()).isZero();
    }

    @Test
    void theLossStaysWhenLaterStagesReportNone() throws Exception {
        report(create("style", RUNNING), 90, "0.0831");
        writer.round();

        report(known("style"), 95, null);
        clock.now = clock.now.plusSeconds(2);
        writer.round();

        assertThat(stored("style").getStatus().loss()).isEqualTo("0.0831");
        assertThat(percent("style")).isEqualTo("95%");
    }

    @Test
    void anEstimateThatIsGoneIsRemoved() throws Exception {
        LoraTraining resource = create("style", RUNNING);

        assertThat(ProgressWriter.patch(resource, SENDER, message(33, null, 240)))
                .contains(
                        "\"progressPercentage\":33",
                        "\"percent\":\"33%\"",
                        "\"remaining\":\"4m\"",
                        "\"podCreationTime\":\"2025-12-31T23:59:00Z\"");
        assertThat(ProgressWriter.patch(resource, SENDER, message(34, null, null)))
                .contains("\"estimatedRemainingSeconds\":null", "\"remaining\":null");
    }

    @Test
    void aLongStageReportsSeldomerThanAShortOne() throws Exception {
        clock.now = Instant.parse("2026-01-01T00:10:00Z");
        LoraTraining run = create("style", RUNNING.replace("}]", ",'startTime':'2026-01-01T00:00:00Z'}]"));

        assertThat(seconds(run, null)).isEqualTo(3);
        assertThat(seconds(run, 50)).isEqualTo(3);
        assertThat(seconds(run, 3000)).isEqualTo(18);
        assertThat(seconds(run, 90_000)).isEqualTo(60);
    }

    @Test
    void manyThatReportDoSoSeldomerThanFew() throws Exception {
        LoraTraining run = create("style", RUNNING);
        assertThat(seconds(run, null)).isEqualTo(2);

        for (int i = 0; i < 100; i++) {
            report(create("style-" + i, RUNNING), 1, null);
        }
        assertThat(seconds(run, null)).isEqualTo(10);
    }

    @Test
    void aReportThatIsUrgentEachTimeIsNotWrittenEachTime() throws Exception {
        create("style", RUNNING);
        Set<String> versions = new HashSet<>();

        for (int i = 0; i < 50; i++) {
            report(known("style"), 100 + i, null);
            writer.round();
            versions.add(stored("style").getMetadata().getResourceVersion());
            clock.now = clock.now.plusMillis(200);
        }

        // In 10 s: the first at once, then one each 2 s.
        assertThat(versions).hasSize(5);
    }

    @Test
    void whoIsUrgentLeavesRoomForTheOthers() throws Exception {
        for (int i = 0; i < 30; i++) {
            report(create("hasty-" + i, RUNNING), 100, null);
        }
        writer.round();
        assertThat(known.keySet().stream().filter(id -> percent(id.getName()) != null))
                .hasSize(20);
    }

    private int seconds(LoraTraining run, @Nullable Integer left) {
        return writer.nextReportSeconds(run, message(10, null, left));
    }

    private LoraTraining create(String name, String status) throws Exception {
        LoraTraining resource = new LoraTraining();
        resource.setMetadata(
                new ObjectMetaBuilder().withNamespace("default").withName(name).build());
        resource.setStatus(Json.MAPPER.readValue(status.replace('\'', '"'), LoraTrainingStatus.class));
        client.resource(resource).create();
        return known(name);
    }

    /** The stored resource, which the informer then knows. */
    private LoraTraining known(String name) {
        LoraTraining stored = stored(name);
        known.put(ResourceID.fromResource(stored), stored);
        return stored;
    }

    private LoraTraining store(LoraTraining resource, String status) throws Exception {
        LoraTraining next = stored(resource.getMetadata().getName());
        next.setStatus(Json.MAPPER.readValue(status.replace('\'', '"'), LoraTrainingStatus.class));
        return client.resource(next).update();
    }

    private void report(LoraTraining resource, int step, @Nullable String loss) {
        assertThat(board.offer(resource, SENDER, message(step, loss, null))).isTrue();
    }

    private static ProgressMessage message(int step, @Nullable String loss, @Nullable Integer left) {
        return ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId("abc")
                .stage(Stage.Train)
                .attempt(1)
                .step(step)
                .steps(100)
                .time("2026-01-01T00:00:00Z")
                .metrics(loss == null ? List.of() : List.of(new Metric("loss", loss)))
                .estimatedRemainingSeconds(left)
                .build();
    }

    private LoraTraining stored(String name) {
        return client.resources(LoraTraining.class)
                .inNamespace("default")
                .withName(name)
                .require();
    }

    private @Nullable String percent(String name) {
        LoraTrainingStatus status = stored(name).getStatus();
        return status.progress() == null ? null : status.progress().percent();
    }

    private static final class TestClock extends Clock {
        private Instant now = Instant.parse("2026-01-01T00:00:00Z");

        @Override
        public Instant instant() {
            return now;
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            throw new UnsupportedOperationException();
        }
    }
}
