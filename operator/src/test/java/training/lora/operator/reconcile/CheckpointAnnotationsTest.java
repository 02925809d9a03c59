package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.fabric8.mockwebserver.http.RecordedRequest;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;

@EnableKubernetesMockClient
final class CheckpointAnnotationsTest {
    private static final String FIRST = "2026-01-01T00:05:00Z";
    private static final String SECOND = "2026-01-01T00:10:00Z";
    private static final String PATH = "/api/v1/namespaces/default/pods/style-train-2-abcde";

    @SuppressWarnings("NullAway.Init") // set by the extension
    private KubernetesMockServer server;

    @SuppressWarnings("NullAway.Init") // set by the extension
    private KubernetesClient client;

    private boolean leads = true;
    private final Known known = new Known();

    private CheckpointAnnotations annotations() {
        server.expect().patch().withPath(PATH).andReturn(200, known.pod).always();
        return new CheckpointAnnotations(client, known, () -> leads);
    }

    private @Nullable RecordedRequest request() throws InterruptedException {
        return server.takeRequest(100, TimeUnit.MILLISECONDS);
    }

    @Test
    void eachCheckpointIsToldToItsPodOnceByOneRequest() throws Exception {
        CheckpointAnnotations annotations = annotations();
        annotations.round();
        assertThat(request()).isNull();

        known.saved(2, FIRST);
        annotations.round();
        // The informer has not heard of it.
        annotations.round();

        RecordedRequest patch = Objects.requireNonNull(request());
        assertThat(patch.getMethod() + " " + patch.getPath()).isEqualTo("PATCH " + PATH);
        assertThat(patch.getUtf8Body())
                .isEqualTo("{\"metadata\":{\"uid\":\"pod-1\",\"annotations\":{\"lora.training/checkpoint-time\":\""
                        + FIRST + "\"}}}");
        assertThat(request()).isNull();

        known.saved(2, SECOND);
        annotations.round();
        assertThat(request()).isNotNull();
        assertThat(request()).isNull();
    }

    @Test
    void aReplicaThatDoesNotLeadAndOneThatFindsItDoneWriteNothing() throws Exception {
        known.saved(2, FIRST);
        leads = false;
        annotations().round();
        leads = true;
        known.pod.getMetadata().getAnnotations().put("lora.training/checkpoint-time", FIRST);
        annotations().round();

        assertThat(request()).isNull();
    }

    @Test
    void thePodOfAnotherAttemptOrOneThatEndsIsLeftAlone() throws Exception {
        known.saved(1, FIRST);
        annotations().round();
        known.saved(2, FIRST);
        known.pod.getMetadata().setDeletionTimestamp("2026-01-01T00:06:00Z");
        annotations().round();

        assertThat(request()).isNull();
    }

    @Test
    void whereItMayNotPatchItTriesOnce() throws Exception {
        server.expect().patch().withPath(PATH).andReturn(403, "").always();
        CheckpointAnnotations annotations = new CheckpointAnnotations(client, known, () -> true);
        known.saved(2, FIRST);
        annotations.round();
        known.saved(2, SECOND);
        annotations.round();

        assertThat(request()).isNotNull();
        assertThat(request()).isNull();
    }

    private static final class Known implements Heard {
        private LoraTraining resource = new LoraTraining();
        private final Pod pod = new PodBuilder()
                .withNewMetadata()
                .withNamespace("default")
                .withName("style-train-2-abcde")
                .withUid("pod-1")
                .addToLabels("lora.training/name", "style")
                .addToLabels("lora.training/run-id", "abc")
                .addToLabels("batch.kubernetes.io/job-name", "style-train-2")
                .addToAnnotations("team", "art")
                .endMetadata()
                .withNewStatus()
                .withPhase("Running")
                .addNewContainerStatus()
                .withName("trainer")
                .withNewState()
                .withNewRunning("2026-01-01T00:00:00Z")
                .endState()
                .endContainerStatus()
                .endStatus()
                .build();

        void saved(int attempt, String time) throws JsonProcessingException {
            resource = Json.MAPPER.readValue("""
                    {"metadata": {"namespace": "default", "name": "style"},
                     "status": {"runId": "abc", "progress": {"stage": "Train", "attempt": %d, "saved": {"step": 5, "time": "%s"}}}}
                    """.formatted(attempt, time), LoraTraining.class);
        }

        @Override
        public Optional<LoraTraining> resource(ResourceID id) {
            return id.equals(new ResourceID("style", "default")) ? Optional.of(resource) : Optional.empty();
        }

        @Override
        public List<Job> jobs(LoraTraining of) {
            return List.of();
        }

        @Override
        public List<Pod> pods(LoraTraining of) {
            return pods();
        }

        @Override
        public List<Pod> pods() {
            return List.of(pod);
        }
    }
}
