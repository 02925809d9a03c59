package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.operator.plan.Settings;
import training.lora.operator.tls.Trust;

/** A run that waits for its captions, and one that stopped early, by an API server. */
@EnableKubernetesMockClient(crud = true)
final class ReviewOnServerTest {
    private static final String PREPARED =
            "{'name':'Prepare','attempt':1,'jobName':'style-prepare-1','outcome':'Succeeded'}";

    @SuppressWarnings("NullAway.Init") // set by the extension
    private KubernetesClient client;

    private void create(String more, String stages, String status) throws JsonProcessingException {
        LoraTraining resource = new LoraTraining();
        resource.setMetadata(new ObjectMetaBuilder()
                .withNamespace("default")
                .withName("style")
                .withUid("uid-1")
                .withGeneration(1L)
                .build());
        resource.setSpec(read(
                "{'baseModel':{'uri':'bundled://emoji-sd'},'datasets':[{'uri':'bundled://fluent-style'}],%s}"
                        .formatted(more),
                LoraTrainingSpec.class));
        resource.setStatus(read(
                "{'runId':'abc','observedGeneration':1,'startTime':'2026-01-01T00:00:00Z','image':'trainer:1','stages':[%s]%s}"
                        .formatted(stages, status),
                LoraTrainingStatus.class));
        client.resource(resource).create();
    }

    private static <T> T read(String json, Class<T> type) throws JsonProcessingException {
        return Json.MAPPER.readValue(json.replace('\'', '"'), type);
    }

    private void reconcile() {
        Cluster cluster = new KubernetesCluster(client, new OfServer(), new NoTrust());
        Settings settings = new Settings("trainer:1", null, Duration.ofSeconds(10), Duration.ofSeconds(60));
        new Rounds(cluster, settings, Clock.systemUTC()).run("default", "style");
    }

    private LoraTraining resource() {
        return client.resources(LoraTraining.class)
                .inNamespace("default")
                .withName("style")
                .get();
    }

    private List<Job> jobs() {
        return client.batch().v1().jobs().inNamespace("default").list().getItems();
    }

    /** The newest one's, as the mock adds to lists where a merge patch replaces them. */
    private String message(String condition) {
        return resource().getStatus().conditions().stream()
                .filter(c -> c.getType().equals(condition))
                .reduce((older, newer) -> newer)
                .filter(c -> c.getStatus().equals("True"))
                .map(Condition::getMessage)
                .orElse("");
    }

    @Test
    void trainIsMadeWhenTheAnnotationComes() throws Exception {
        create(
                "'preparation':{'captions':{'pauseForReview':true}}",
                PREPARED,
                ",'artifacts':[{'name':'captions','uri':'s3://loras/style/captions.jsonl'}]");
        reconcile();

        assertThat(jobs()).isEmpty();
        assertThat(resource().getStatus().phase()).isEqualTo("AwaitingReview");
        assertThat(message("AwaitingReview"))
                .startsWith("the captions wait for a look in s3://loras/style/captions.jsonl");
        reconcile();
        assertThat(jobs()).isEmpty();

        client.resources(LoraTraining.class)
                .inNamespace("default")
                .withName("style")
                .patch(
                        PatchContext.of(PatchType.JSON_MERGE),
                        "{\"metadata\":{\"annotations\":{\"lora.training/captions-reviewed\":\"true\"}}}");
        reconcile();

        assertThat(jobs()).singleElement().satisfies(job -> {
            assertThat(job.getMetadata().getName()).isEqualTo("style-train-1");
            assertThat(job.getSpec()
                            .getTemplate()
                            .getSpec()
                            .getContainers()
                            .get(0)
                            .getArgs())
                    .contains("--reviewed");
        });
        assertThat(resource().getStatus().phase()).isEqualTo("Train");
        assertThat(message("AwaitingReview")).isEmpty();
    }

    @Test
    void aTrainingThatStoppedEarlyIsCompleteAndSaysWhereAndWhy() throws Exception {
        create(
                "'evaluation':{'enabled':false}",
                PREPARED + ",{'name':'Train','attempt':1,'jobName':'style-train-1','outcome':'Succeeded'}",
                ",'stoppedEarly':'it stopped at step 6 of 40, since score has not risen'");

        reconcile();

        assertThat(message("Complete"))
                .isEqualTo(
                        "every stage is done; the training ended early: it stopped at step 6 of 40, since score has not risen");
        assertThat(resource().getStatus().stoppedEarly()).startsWith("it stopped at step 6");
    }

    private static final class NoTrust implements Trust {
        @Override
        public String configMap() {
            return "lora-operator-ca";
        }

        @Override
        public void ensure(String namespace) {}
    }

    /** Informers that have heard of all. */
    private final class OfServer implements Heard {
        @Override
        public Optional<LoraTraining> resource(ResourceID id) {
            return Optional.of(ReviewOnServerTest.this.resource());
        }

        @Override
        public List<Job> jobs(LoraTraining resource) {
            return ReviewOnServerTest.this.jobs();
        }

        @Override
        public List<Pod> pods(LoraTraining resource) {
            return List.of();
        }

        @Override
        public List<Pod> pods() {
            return List.of();
        }
    }
}
