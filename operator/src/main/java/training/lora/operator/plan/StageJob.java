package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodSpecBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.ResourceRequirementsBuilder;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.PodFailurePolicy;
import io.fabric8.kubernetes.api.model.batch.v1.PodFailurePolicyBuilder;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Stage;
import training.lora.api.StageRuntimeSpec;

/** The Job of one attempt of a stage: one pod, never restarted by Kubernetes except after a disruption. */
final class StageJob {
    static final String CONTAINER = "trainer";
    /** What NVIDIA's device plugin calls a card. */
    private static final String GPU = "nvidia.com/gpu";

    /** As bin/lora-trainer sets them, whose comments say why: an image may start the trainer otherwise. */
    private static final List<EnvVar> PROCESS = List.of(
            variable("LC_ALL", "C.UTF-8"),
            variable("OMP_WAIT_POLICY", "PASSIVE"),
            variable("GOMP_SPINCOUNT", "5000"),
            variable(
                    "GLIBC_TUNABLES",
                    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296:glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"));

    private static final long USER = 1001;
    private static final long TOKEN_SECONDS = 3600;
    /** Time to write a checkpoint when the pod is told to go. */
    private static final long GRACE_SECONDS = 60;
    /** Usage, configuration, data, base model, a diverged training: see Reason. */
    private static final Integer[] HOPELESS = {2, 10, 11, 12, 13};

    private final LoraTraining resource;
    private final String runId;
    private final Stage stage;
    private final int attempt;
    private final Settings settings;

    private StageJob(LoraTraining resource, String runId, Stage stage, int attempt, Settings settings) {
        this.resource = resource;
        this.runId = runId;
        this.stage = stage;
        this.attempt = attempt;
        this.settings = settings;
    }

    static Job of(
            LoraTraining resource,
            String runId,
            Stage stage,
            int attempt,
            @Nullable Long secondsLeft,
            Settings settings) {
        return new StageJob(resource, runId, stage, attempt, settings).build(secondsLeft);
    }

    static String image(LoraTraining resource, Settings settings) {
        String image = resource.getSpec().runtime().image();
        return image != null ? image : settings.image();
    }

    private Job build(@Nullable Long secondsLeft) {
        String name = resource.getMetadata().getName();
        Map<String, String> labels = Names.labels(resource, runId);
        labels.put(Names.STAGE, Names.lower(stage));
        Map<String, String> jobLabels =
                new TreeMap<>(kueue(resource.getMetadata().getLabels()));
        jobLabels.putAll(labels);
        return new JobBuilder()
                .withNewMetadata()
                .withName(Names.job(name, stage, attempt))
                .withNamespace(resource.getMetadata().getNamespace())
                .withLabels(jobLabels)
                .withAnnotations(kueue(resource.getMetadata().getAnnotations()))
                .withOwnerReferences(Names.owner(resource))
                .endMetadata()
                .withNewSpec()
                .withBackoffLimit(0)
                .withActiveDeadlineSeconds(secondsLeft)
                .withPodReplacementPolicy("Failed")
                .withPodFailurePolicy(failurePolicy())
                .withNewTemplate()
                .withNewMetadata()
                .withLabels(labels)
                .endMetadata()
                .withSpec(pod())
                .endTemplate()
                .endSpec()
                .build();
    }

    private static PodFailurePolicy failurePolicy() {
        return new PodFailurePolicyBuilder()
                .addNewRule()
                .withAction("Ignore")
                .addNewOnPodCondition("True", "DisruptionTarget")
                .endRule()
                .addNewRule()
                .withAction("FailJob")
                .withNewOnExitCodes()
                .withContainerName(CONTAINER)
                .withOperator("In")
                .withValues(HOPELESS)
                .endOnExitCodes()
                .endRule()
                .build();
    }

    private PodSpec pod() {
        return new PodSpecBuilder()
                .withRestartPolicy("Never")
                .withAutomountServiceAccountToken(false)
                .withTerminationGracePeriodSeconds(GRACE_SECONDS)
                .withNewSecurityContext()
                .withRunAsNonRoot(true)
                .withRunAsUser(USER)
                .withRunAsGroup(USER)
                .withFsGroup(USER)
                .withNewSeccompProfile()
                .withType("RuntimeDefault")
                .endSeccompProfile()
                .endSecurityContext()
                .withContainers(container())
                .withVolumes(volumes())
                .build();
    }

    private Container container() {
        return new ContainerBuilder()
                .withName(CONTAINER)
                .withImage(image(resource, settings))
                .withArgs(
                        Names.lower(stage),
                        "/run/lora/spec/run.json",
                        "--workspace",
                        "/workspace",
                        "--attempt",
                        Integer.toString(attempt))
                .withEnv(environment())
                .withResources(resources())
                .withVolumeMounts(mounts())
                .withTerminationMessagePath("/dev/termination-log")
                .withTerminationMessagePolicy("File")
                .withNewSecurityContext()
                .withAllowPrivilegeEscalation(false)
                .withNewCapabilities()
                .withDrop("ALL")
                .endCapabilities()
                .endSecurityContext()
                .build();
    }

    private List<EnvVar> environment() {
        List<EnvVar> environment = new ArrayList<>();
        if (settings.operatorUrl() != null) {
            environment.add(variable(
                    "LORA_PROGRESS_URL",
                    settings.operatorUrl() + "/v1/progress/"
                            + resource.getMetadata().getNamespace() + "/"
                            + resource.getMetadata().getName()));
            environment.add(variable("LORA_PROGRESS_TOKEN_FILE", "/run/lora/token/token"));
        }
        environment.add(variable("LORA_RESULT_FILE", "/dev/termination-log"));
        environment.add(variable("LORA_PVC_ROOT", "/pvc"));
        environment.addAll(PROCESS);
        ResourceRequirements resources = resources();
        Quantity processors = resources.getLimits().get("cpu");
        if (processors != null) {
            // A pod sees all of its node's: more threads than it may run at a time would wait for each other.
            environment.add(variable(
                    "OMP_NUM_THREADS",
                    processors
                            .getNumericalAmount()
                            .setScale(0, RoundingMode.CEILING)
                            .toPlainString()));
        }
        if (resources.getLimits().containsKey(GPU) || resources.getRequests().containsKey(GPU)) {
            // A pod that has a card and can't use it should say so, and not train on its processor.
            environment.add(variable("LORA_DEVICE", "cuda"));
        }
        return environment;
    }

    private static EnvVar variable(String name, String value) {
        return new EnvVar(name, value, null);
    }

    private ResourceRequirements resources() {
        for (StageRuntimeSpec runtime : resource.getSpec().runtime().stages()) {
            if (runtime.name() == stage) {
                return new ResourceRequirementsBuilder()
                        .withRequests(quantities(runtime.resources().requests()))
                        .withLimits(quantities(runtime.resources().limits()))
                        .build();
            }
        }
        return new ResourceRequirements();
    }

    private static Map<String, Quantity> quantities(Map<String, String> texts) {
        Map<String, Quantity> quantities = new TreeMap<>();
        texts.forEach((name, text) -> quantities.put(name, new Quantity(text)));
        return quantities;
    }

    private List<Volume> volumes() {
        List<Volume> volumes = new ArrayList<>();
        volumes.add(new VolumeBuilder()
                .withName("spec")
                .withNewConfigMap()
                .withName(resource.getMetadata().getName() + "-run-" + runId)
                .endConfigMap()
                .build());
        volumes.add(claim("workspace", Names.claim(resource), null));
        volumes.add(new VolumeBuilder()
                .withName("token")
                .withNewProjected()
                .addNewSource()
                .withNewServiceAccountToken()
                .withAudience(Names.audience(resource.getMetadata().getUid(), stage, attempt))
                .withExpirationSeconds(TOKEN_SECONDS)
                .withPath("token")
                .endServiceAccountToken()
                .endSource()
                .endProjected()
                .build());
        volumes.add(new VolumeBuilder()
                .withName("tmp")
                .withNewEmptyDir()
                .endEmptyDir()
                .build());
        int i = 0;
        for (String source : sources(resource.getSpec())) {
            volumes.add(claim("source-" + i++, source, true));
        }
        return volumes;
    }

    private static Volume claim(String volume, String claim, @Nullable Boolean readOnly) {
        return new VolumeBuilder()
                .withName(volume)
                .withNewPersistentVolumeClaim(claim, readOnly)
                .build();
    }

    private List<VolumeMount> mounts() {
        List<VolumeMount> mounts = new ArrayList<>();
        mounts.add(mount("spec", "/run/lora/spec", true).build());
        mounts.add(mount("workspace", "/workspace", null)
                .withSubPath(Names.subPath(resource))
                .build());
        mounts.add(mount("token", "/run/lora/token", true).build());
        mounts.add(mount("tmp", "/tmp", null).build());
        int i = 0;
        for (String source : sources(resource.getSpec())) {
            mounts.add(mount("source-" + i++, "/pvc/" + source, true).build());
        }
        return mounts;
    }

    private static VolumeMountBuilder mount(String volume, String path, @Nullable Boolean readOnly) {
        return new VolumeMountBuilder().withName(volume).withMountPath(path).withReadOnly(readOnly);
    }

    /** The claims that {@code pvc://CLAIM/…} names. */
    private static Set<String> sources(LoraTrainingSpec spec) {
        Stream<@Nullable String> uris = Stream.concat(
                Stream.of(
                        spec.baseModel().uri(),
                        spec.baseModel().vae() == null
                                ? null
                                : spec.baseModel().vae().uri(),
                        spec.evaluation().clip() == null
                                ? null
                                : spec.evaluation().clip().uri(),
                        spec.training().initFrom() == null
                                ? null
                                : spec.training().initFrom().uri()),
                spec.datasets().stream().map(DatasetSpec::uri));
        Set<String> claims = new TreeSet<>();
        uris.filter(Objects::nonNull).forEach(uri -> {
            if (uri.startsWith("pvc://")) {
                claims.add(uri.substring("pvc://".length()).replaceFirst("/.*", ""));
            }
        });
        return claims;
    }

    private static Map<String, String> kueue(@Nullable Map<String, String> all) {
        Map<String, String> ours = new TreeMap<>();
        if (all != null) {
            all.forEach((key, value) -> {
                if (key.startsWith(Names.KUEUE)) {
                    ours.put(key, value);
                }
            });
        }
        return ours;
    }
}
