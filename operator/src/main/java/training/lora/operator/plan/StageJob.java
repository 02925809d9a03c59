package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.LocalObjectReference;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodSpecBuilder;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.PodFailurePolicy;
import io.fabric8.kubernetes.api.model.batch.v1.PodFailurePolicyBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.PodTemplate;

/** The Job of one attempt of a stage: one pod, never restarted by Kubernetes except after a disruption. */
final class StageJob {
    static final String CONTAINER = "trainer";

    /** Time to write a checkpoint when the pod is told to go. */
    private static final long GRACE_SECONDS = 60;
    /** Usage, configuration, data, base model, a diverged training: see Reason. */
    private static final Integer[] HOPELESS = {2, 10, 11, 12, 13};

    private final StageAttempt attempt;
    private final LoraTraining resource;
    private final Settings settings;

    private StageJob(StageAttempt attempt, Settings settings) {
        this.attempt = attempt;
        this.resource = attempt.resource();
        this.settings = settings;
    }

    static Job of(StageAttempt attempt, Settings settings) {
        return new StageJob(attempt, settings).build();
    }

    static String image(LoraTraining resource, Settings settings) {
        String image = resource.getSpec().runtime().image();
        return image != null ? image : settings.image();
    }

    private Job build() {
        Map<String, String> labels = Names.labels(resource, attempt.runId());
        labels.put(Names.STAGE, Names.lower(attempt.stage()));
        PodTemplate template = Placement.template(resource, attempt.stage());
        Map<String, String> annotations = resource.getMetadata().getAnnotations();
        return new JobBuilder()
                .withNewMetadata()
                .withName(attempt.jobName())
                .withNamespace(resource.getMetadata().getNamespace())
                .withLabels(joined(some(resource.getMetadata().getLabels(), Names::isKueues), labels))
                .withAnnotations(some(annotations, Names::isKueues))
                .withOwnerReferences(Names.owner(resource))
                .endMetadata()
                .withNewSpec()
                .withBackoffLimit(0)
                .withPodReplacementPolicy("Failed")
                .withPodFailurePolicy(failurePolicy())
                .withNewTemplate()
                .withNewMetadata()
                .withLabels(
                        joined(template == null ? Map.of() : template.metadata().labels(), labels))
                .withAnnotations(joined(
                        template == null ? Map.of() : template.metadata().annotations(),
                        some(annotations, Names::isKueuesOfPods)))
                .endMetadata()
                .withSpec(PodTemplates.merge(pod(), resource, attempt.stage(), settings.pods()))
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
        PodVolumes volumes = PodVolumes.of(attempt, settings.pods());
        return new PodSpecBuilder()
                .withRestartPolicy("Never")
                .withServiceAccountName(resource.getSpec().runtime().serviceAccountName())
                .withAutomountServiceAccountToken(false)
                .withTerminationGracePeriodSeconds(GRACE_SECONDS)
                .withImagePullSecrets(settings.pods().imagePullSecrets().stream()
                        .map(LocalObjectReference::new)
                        .toList())
                .withSecurityContext(PodSecurity.pod(settings.pods()))
                .withContainers(container(volumes))
                .withVolumes(volumes.volumes())
                .build();
    }

    private Container container(PodVolumes volumes) {
        ResourceRequirements resources = StageResources.of(resource, attempt.stage(), settings.pods());
        return new ContainerBuilder()
                .withName(CONTAINER)
                .withImage(attempt.image())
                .withArgs(arguments())
                .withEnv(PodEnvironment.of(attempt, resources, settings))
                .withResources(resources)
                .withVolumeMounts(volumes.mounts())
                .withTerminationMessagePath(PodEnvironment.TERMINATION_LOG)
                // The end of the log where the trainer was killed before it could say why.
                .withTerminationMessagePolicy("FallbackToLogsOnError")
                .withSecurityContext(PodSecurity.container())
                .build();
    }

    private List<String> arguments() {
        List<String> arguments = new ArrayList<>(List.of(
                Names.lower(attempt.stage()),
                PodVolumes.SPEC + "/run.json",
                "--workspace",
                PodVolumes.WORKSPACE,
                "--attempt",
                Integer.toString(attempt.number())));
        if (Review.pauses(resource, attempt.stage())) {
            arguments.add("--reviewed");
        }
        return arguments;
    }

    private static Map<String, String> some(@Nullable Map<String, String> all, Predicate<String> which) {
        Map<String, String> some = new TreeMap<>(all == null ? Map.of() : all);
        some.keySet().removeIf(which.negate());
        return some;
    }

    /** {@code ours} with {@code others} beside them. */
    private static Map<String, String> joined(Map<String, String> others, Map<String, String> ours) {
        Map<String, String> joined = new TreeMap<>(others);
        joined.putAll(ours);
        return joined;
    }
}
