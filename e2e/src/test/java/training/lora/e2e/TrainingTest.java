package training.lora.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Listable;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Artifact;
import training.lora.api.LoraTraining;
import training.lora.api.Progress;
import training.lora.api.Stage;
import training.lora.api.StageStatus;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TrainingTest {
    private static final List<String> ONE_JOB_A_STAGE = List.of("evaluate-1", "prepare-1", "train-1");

    private Path dir;
    private Connections connections;
    private TestCluster cluster;

    @BeforeAll
    void start(@TempDir Path temporary) throws Exception {
        dir = temporary;
        connections = new Connections();
        cluster = new TestCluster(temporary.resolve("cluster"));
    }

    @AfterAll
    void stop() {
        cluster.close();
        connections.close();
    }

    private static List<String> jobsOf(String name) {
        return ONE_JOB_A_STAGE.stream().map(s -> name + "-" + s).toList();
    }

    private static boolean isReported(LoraTraining training) {
        Progress progress = training.getStatus().progress();
        return progress != null && progress.stage() == Stage.Train && progress.step() != null;
    }

    private static boolean isTraining(LoraTraining training) {
        return training.getStatus() != null
                && training.getStatus().stages().stream().anyMatch(s -> s.name() == Stage.Train);
    }

    @Test
    void trainingBecomesMeasuredArtifactsAlthoughTheOperatorIsKilledAndNothingLeavesTheMachine() throws Exception {
        cluster.apply("whole", r -> {});
        for (String stage : List.of("prepare", "train", "evaluate")) {
            client().batch()
                    .v1()
                    .jobs()
                    .inNamespace("default")
                    .withName("whole-" + stage + "-1")
                    .waitUntilCondition(j -> j != null, 10, TimeUnit.MINUTES);
            cluster.killOperator();
            cluster.startOperator();
        }

        LoraTraining done = cluster.await("whole", Trainings::isOver);

        assertThat(Trainings.is(done, "Complete")).isTrue();
        assertThat(cluster.jobs("whole")).isEqualTo(jobsOf("whole"));
        assertThat(done.getStatus().stages()).extracting(StageStatus::attempt).containsExactly(1, 1, 1);
        assertThat(done.getStatus().checkpoints()).extracting(c -> c.step()).containsExactly(2, 4);
        assertThat(Objects.requireNonNull(done.getStatus().best()).metric("score"))
                .isNotNull();
        assertThat(done.getStatus().artifacts())
                .extracting(Artifact::name)
                .contains("lora", "samples", "loss", "evaluation", "manifest");
        for (Artifact artifact : done.getStatus().artifacts()) {
            assertThat(cluster.file(artifact.uri())).hasSize(artifact.sizeBytes());
        }
        assertThat(connections.all()).as("connections seen").isNotEmpty();
        assertThat(connections.outside()).isEmpty();
    }

    @Test
    void suspensionEndsTheProcessAndResumingFinishesTheRun() throws Exception {
        claim("pictures", TestCluster.HOME.resolve("examples/bundled/fluent-style"));
        cluster.apply("paused", TrainingTest::ofAClaim);
        cluster.await("paused", TrainingTest::isTraining);
        awaitRunningPod("paused-train-1");
        suspend(true);
        cluster.await("paused", r -> Trainings.is(r, "Suspended"));
        awaitNone(client().pods().inNamespace("default").withLabel("job-name", "paused-train-1"));
        suspend(false);

        LoraTraining done = cluster.await("paused", Trainings::isOver);

        assertThat(Trainings.is(done, "Complete")).isTrue();
        assertThat(cluster.jobs("paused")).contains("paused-train-2");
    }

    @Test
    void aTrainingWaitsForItsCaptionsAndIsTrainedOnWhatAPersonWrote() throws Exception {
        cluster.apply("reviewed", r -> {
            spec(r).put("preparation", Map.of("captions", Map.of("pauseForReview", true)));
            spec(r).put("evaluation", Map.of("enabled", false));
        });
        LoraTraining waits = cluster.await("reviewed", r -> Trainings.is(r, "AwaitingReview"));
        assertThat(waits.getStatus().artifacts()).extracting(Artifact::name).containsExactly("captions");
        Path captions = cluster.file(waits.getStatus().artifacts().get(0).uri());
        String prepared = Files.readString(captions);
        Files.writeString(captions, prepared.replaceFirst("}", ""));
        annotate("reviewed", "true");

        waits = cluster.await("reviewed", r -> says(r, "AwaitingReview", "line 1, must be a JSON object"));
        assertThat(cluster.jobs("reviewed")).containsExactly("reviewed-prepare-1", "reviewed-train-1");
        assertThat(says(waits, "AwaitingReview", "lora.training/captions-reviewed=attempt-2"))
                .isTrue();
        Files.writeString(captions, prepared.replaceFirst("\"text\":\"", "\"text\":\"by hand "));
        annotate("reviewed", "attempt-2");
        LoraTraining done = cluster.await("reviewed", Trainings::isOver);

        assertThat(Trainings.is(done, "Complete")).isTrue();
        assertThat(cluster.jobs("reviewed"))
                .containsExactly("reviewed-prepare-1", "reviewed-train-1", "reviewed-train-2");
        assertThat(captions).content().contains("by hand ", "\"source\":\"review\"");
        assertThat(done.getStatus().artifacts()).extracting(Artifact::name).contains("captions", "lora");
        assertThat(done.getStatus().stages())
                .filteredOn(s -> s.name() == Stage.Train)
                .singleElement()
                .satisfies(s -> assertThat(s.message()).startsWith("captions were changed in the review: main/"));
    }

    private static boolean says(LoraTraining training, String condition, String text) {
        return training.getStatus() != null
                && training.getStatus().conditions().stream()
                        .anyMatch(c ->
                                c.getType().equals(condition) && c.getMessage().contains(text));
    }

    private void annotate(String name, String value) {
        client().resources(LoraTraining.class)
                .inNamespace("default")
                .withName(name)
                .patch(
                        PatchContext.of(PatchType.JSON_MERGE),
                        "{\"metadata\":{\"annotations\":{\"lora.training/captions-reviewed\":\"%s\"}}}"
                                .formatted(value));
    }

    /** Evaluation makes no difference to what is tested. */
    private static void ofAClaim(GenericKubernetesResource resource) {
        Map<String, Object> spec = spec(resource);
        spec.put("datasets", List.of(Map.of("name", "main", "uri", "pvc://pictures")));
        spec.put("evaluation", Map.of("enabled", false));
    }

    private static void awaitNone(Listable<? extends KubernetesResourceList<? extends HasMetadata>> kind)
            throws InterruptedException {
        awaitEmpty(() -> kind.list().getItems().stream()
                .map(o -> o.getMetadata().getName())
                .toList());
    }

    // What is asserted is the answer that ended the wait: another one could see an object that came later.
    private static void awaitEmpty(Supplier<List<String>> names) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(240);
        List<String> left = names.get();
        while (!left.isEmpty() && System.nanoTime() < end) {
            Thread.sleep(50);
            left = names.get();
        }
        assertThat(left).isEmpty();
    }

    /** Until then the Job controller may still create the pod. */
    private void awaitRunningPod(String job) {
        client().pods()
                .inNamespace("default")
                .withLabel("job-name", job)
                .waitUntilCondition(
                        p -> p != null && p.getStatus().getPhase().equals("Running"), 240, TimeUnit.SECONDS);
    }

    private void suspend(boolean value) throws Exception {
        cluster.apply("paused", r -> {
            ofAClaim(r);
            spec(r).put("suspend", value);
        });
    }

    @Test
    void dataWithoutImagesFailsAtOnceWithOneSentence() throws Exception {
        Path folder = Files.createDirectory(dir.resolve("empty"));
        Files.writeString(folder.resolve("notes.txt"), "no picture");
        claim("empty", folder);
        cluster.apply("hopeless", r -> spec(r).put("datasets", List.of(Map.of("name", "main", "uri", "pvc://empty"))));

        LoraTraining done = cluster.await("hopeless", Trainings::isOver);

        assertThat(Trainings.is(done, "Failed")).isTrue();
        assertThat(cluster.jobs("hopeless")).containsExactly("hopeless-prepare-1");
        assertThat(done.getStatus().conditions())
                .filteredOn(c -> c.getType().equals("Failed"))
                .singleElement()
                .satisfies(c -> {
                    assertThat(c.getReason()).isEqualTo("InvalidData");
                    assertThat(c.getMessage()).contains("pvc://empty").doesNotContain("\n");
                });
    }

    @Test
    void progressIsReportedAndDeletionEndsWhatRunsAndCleansUp() throws Exception {
        cluster.apply("gone", r -> spec(r).put("training", Map.of("steps", 10_000, "batchSize", 1)));
        LoraTraining training = cluster.await("gone", r -> isTraining(r) && isReported(r));
        assertThat(Objects.requireNonNull(training.getStatus().progress()).steps())
                .isEqualTo(10_000);

        client().resources(LoraTraining.class)
                .inNamespace("default")
                .withName("gone")
                .delete();

        awaitNone(client().batch().v1().jobs().inNamespace("default").withLabel("lora.training/name", "gone"));
        awaitNone(client().pods().inNamespace("default").withLabel("lora.training/name", "gone"));
        awaitNone(client().configMaps().inNamespace("default").withLabel("lora.training/name", "gone"));
        Path workspace = cluster.file("pvc://gone-workspace");
        awaitEmpty(() -> Files.exists(workspace) ? List.of(workspace.toString()) : List.of());
    }

    @Test
    void unknownFieldIsRefusedWithItsPath() {
        assertThatThrownBy(() -> cluster.apply("typo", r -> spec(r).put("trainings", Map.of("steps", 4))))
                .isInstanceOf(KubernetesClientException.class)
                .hasMessageContaining("spec.trainings");
    }

    private io.fabric8.kubernetes.client.KubernetesClient client() {
        return cluster.client();
    }

    private void claim(String name, Path folder) {
        client().resource(new PersistentVolumeClaimBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .withNamespace("default")
                        .withAnnotations(Map.of("local.lora.training/folder", folder.toString()))
                        .endMetadata()
                        .withNewSpec()
                        .withAccessModes("ReadOnlyMany")
                        .withNewResources()
                        .addToRequests("storage", new Quantity("1Gi"))
                        .endResources()
                        .endSpec()
                        .build())
                .create();
    }

    /** The spec, to be changed. */
    private static Map<String, Object> spec(GenericKubernetesResource resource) {
        @SuppressWarnings("unchecked")
        Map<String, Object> spec = new HashMap<>(
                (Map<String, Object>) resource.getAdditionalProperties().get("spec"));
        resource.setAdditionalProperty("spec", spec);
        return spec;
    }
}
