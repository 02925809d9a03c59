package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.LoraTraining;
import training.lora.api.Stage;
import training.lora.operator.ConfiguredPods;
import training.lora.operator.OperatorConfig;
import training.lora.operator.TestConfig;

/** {@code -Dgolden.update=true} writes the Jobs of src/test/resources anew. */
final class StageJobTest {
    private static final Path CASES = Path.of("src/test/resources/training/lora/operator/plan/stage-jobs");
    private static final YAMLMapper YAML = YAMLMapper.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.SPLIT_LINES)
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
            .build();

    @ParameterizedTest
    @CsvSource({
        "two-fields,Prepare",
        "cards,Prepare",
        "cards,Train",
        "cards,Evaluate",
        "openshift,Train",
        "remote,Prepare",
        "remote,Train"
    })
    void theJobIsAsItsGolden(String name, Stage stage) throws IOException {
        Path golden = CASES.resolve(name).resolve(Names.lower(stage) + ".yaml");

        String job = YAML.writeValueAsString(job(name, stage));

        if (Boolean.getBoolean("golden.update")) {
            Files.writeString(golden, job);
        }
        assertThat(job).isEqualTo(Files.readString(golden));
    }

    @Test
    void everyGoldenIsCompared() throws IOException {
        try (Stream<Path> files = Files.walk(CASES)) {
            assertThat(files.filter(Files::isRegularFile)
                            .map(f -> CASES.relativize(f).toString()))
                    .containsExactlyInAnyOrder(
                            "two-fields/training.yaml",
                            "two-fields/prepare.yaml",
                            "cards/training.yaml",
                            "cards/prepare.yaml",
                            "cards/train.yaml",
                            "cards/evaluate.yaml",
                            "remote/training.yaml",
                            "remote/prepare.yaml",
                            "remote/train.yaml",
                            "openshift/training.yaml",
                            "openshift/train.yaml");
        }
    }

    @Test
    void aClaimIsOneVolumeHoweverOftenItIsNamed() throws IOException {
        PodSpec pod = pod(job("two-fields", Stage.Prepare));

        assertThat(pod.getVolumes())
                .filteredOn(v -> v.getPersistentVolumeClaim() != null)
                .extracting(Volume::getName, v -> v.getPersistentVolumeClaim().getClaimName())
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple("workspace", "banny-workspace"),
                        org.assertj.core.groups.Tuple.tuple("source-0", "models"));
        assertThat(pod.getContainers().get(0).getVolumeMounts())
                .filteredOn(m -> m.getMountPath().equals("/pvc/banny-workspace"))
                .singleElement()
                .satisfies(m -> {
                    assertThat(m.getName()).isEqualTo("workspace");
                    assertThat(m.getReadOnly()).isTrue();
                });
    }

    @Test
    void secretsOfSourcesAreInPrepareAlone() throws IOException {
        assertThat(mount(job("remote", Stage.Prepare), "/secrets").getReadOnly())
                .isTrue();
        assertThat(YAML.writeValueAsString(job("remote", Stage.Train)))
                .doesNotContain("name: hub", "name: minio", "LORA_SECRETS");
    }

    @Test
    void theCacheIsWrittenByPrepareAloneAndTheOutputByEachStage() throws IOException {
        Job prepare = job("remote", Stage.Prepare);
        Job train = job("remote", Stage.Train);

        assertThat(mount(prepare, "/cache").getReadOnly()).isNull();
        assertThat(mount(train, "/cache").getReadOnly()).isTrue();
        assertThat(mount(prepare, "/pvc/cache").getReadOnly()).isTrue();
        assertThat(mount(train, "/pvc/results").getReadOnly()).isNull();
        assertThat(pod(train).getVolumes())
                .filteredOn(v -> v.getPersistentVolumeClaim() != null)
                .extracting(v -> v.getPersistentVolumeClaim().getClaimName(), v -> v.getPersistentVolumeClaim()
                        .getReadOnly())
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple("ink-workspace", null),
                        org.assertj.core.groups.Tuple.tuple("cache", true),
                        org.assertj.core.groups.Tuple.tuple("results", null));
    }

    private static VolumeMount mount(Job job, String path) {
        return pod(job).getContainers().get(0).getVolumeMounts().stream()
                .filter(m -> m.getMountPath().equals(path))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void aRetainedClaimHasNoOwner() throws Exception {
        LoraTraining kept = Resources.of("'runtime':{'workspace':{'retention':'Retain'}}", "{}");
        LoraTraining gone = Resources.of("", "{}");

        assertThat(Children.workspace(kept, "abc").getMetadata().getOwnerReferences())
                .isEmpty();
        assertThat(Children.workspace(kept, "abc").getMetadata().getLabels()).containsEntry(Names.NAME, "style");
        assertThat(Children.workspace(gone, "abc").getMetadata().getOwnerReferences())
                .hasSize(1);
    }

    @Test
    void theFirstPodGoesWhereTrainCanRun() throws IOException {
        PodSpec prepare = pod(job("cards", Stage.Prepare));
        PodSpec train = pod(job("cards", Stage.Train));

        assertThat(prepare.getNodeSelector())
                .isEqualTo(train.getNodeSelector())
                .isEqualTo(Map.of("nvidia.com/gpu.present", "true", "topology.kubernetes.io/zone", "eu-1a"));
        assertThat(prepare.getAffinity()).isEqualTo(train.getAffinity()).isNotNull();
        assertThat(prepare.getTolerations())
                .isEqualTo(train.getTolerations())
                .extracting(Toleration::getKey)
                .containsExactly("team", "nvidia.com/gpu");
    }

    @Test
    void aStagesOwnPlaceCountsEvenIfItIsEmpty() throws IOException {
        PodSpec evaluate = pod(job("cards", Stage.Evaluate));

        assertThat(evaluate.getNodeSelector()).isEmpty();
        assertThat(evaluate.getTolerations()).isEmpty();
        assertThat(evaluate.getAffinity()).isNotNull();
    }

    @Test
    void aQueuedJobIsNeverSuspendedOrResumedByUs() throws IOException {
        Job job = job("cards", Stage.Train);

        assertThat(job.getSpec().getSuspend()).isNull();
        assertThat(job.getMetadata().getAnnotations())
                .containsOnlyKeys(
                        "kueue.x-k8s.io/podset-preferred-topology", "provreq.kueue.x-k8s.io/maxRunDurationSeconds");
        assertThat(job.getSpec().getTemplate().getMetadata().getAnnotations())
                .containsOnlyKeys("kueue.x-k8s.io/podset-preferred-topology", "sidecar.istio.io/inject");
        assertThat(job.getSpec().getTemplate().getMetadata().getLabels())
                .doesNotContainKey("kueue.x-k8s.io/queue-name");
    }

    private static Job job(String name, Stage stage) throws IOException {
        Path file = CASES.resolve(name).resolve("training.yaml");
        LoraTraining resource = YAML.readValue(file.toFile(), LoraTraining.class);
        Map<String, String> environment = new TreeMap<>(Map.of("LORA_TLS_SECRET", "lora-operator-tls"));
        for (String line : Files.readAllLines(file)) {
            if (line.startsWith("# settings: ")) {
                String[] pair = line.substring("# settings: ".length()).split("=", 2);
                environment.put(pair[0], pair[1]);
            }
        }
        OperatorConfig config = TestConfig.of(environment);
        Settings settings = new Settings(
                "lora-trainer:1",
                "https://lora-operator.lora-system.svc",
                Duration.ofSeconds(10),
                Duration.ofMinutes(5),
                ConfiguredPods.of(config));
        assertThat(PodTemplates.problems(resource.getSpec(), settings.pods())).isEmpty();
        return StageJob.of(
                new StageAttempt(resource, "0123456789abcdef", stage, 1, StageJob.image(resource, settings), null),
                settings);
    }

    private static PodSpec pod(Job job) {
        return job.getSpec().getTemplate().getSpec();
    }
}
