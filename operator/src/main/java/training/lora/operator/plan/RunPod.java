package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What the plan knows of a pod that bears the resource's name as a label, whoever owns it: the pod of a Job that was
 * deleted may still write to the workspace. A cache of pods need keep no more than this.
 *
 * @param name the pod's
 * @param uid the pod's
 * @param runId of its labels
 * @param jobName of its labels
 * @param jobUid of the Job that made it, from its labels, which it keeps when the Job goes
 * @param node where it is; null: nowhere yet
 * @param phase Pending, Running, Succeeded, Failed
 * @param reason of its status, for example Evicted
 * @param message of its status
 * @param conditions those that are said of it
 * @param containers what is known of its containers, init containers first
 * @param created when it was made
 * @param deletionTime by when it should be gone; null: nobody deleted it
 * @param annotations of the product's own
 */
@RecordBuilder
public record RunPod(
        String name,
        String uid,
        @Nullable String runId,
        @Nullable String jobName,
        @Nullable String jobUid,
        @Nullable String node,
        String phase,
        @Nullable String reason,
        @Nullable String message,
        List<Said> conditions,
        List<ContainerView> containers,
        @Nullable Instant created,
        @Nullable Instant deletionTime,
        Map<String, String> annotations) {
    private static final String CONTROLLER_UID = "batch.kubernetes.io/controller-uid";
    private static final String OLD_CONTROLLER_UID = "controller-uid";
    private static final String JOB_NAME = "batch.kubernetes.io/job-name";
    private static final String OLD_JOB_NAME = "job-name";

    public RunPod {
        conditions = List.copyOf(conditions);
        containers = List.copyOf(containers);
        annotations = Map.copyOf(annotations);
    }

    /** A condition of a pod, and since when it is as it is. */
    @RecordBuilder
    public record Said(
            String type,
            boolean holds,
            @Nullable String reason,
            @Nullable String message,
            @Nullable Instant since) {
        /** Reason and message. */
        String sentence() {
            return Stream.of(reason, message).filter(Objects::nonNull).collect(Collectors.joining(": "));
        }
    }

    /** What is to be known of {@code pod}. */
    public static RunPod of(Pod pod) {
        ObjectMeta metadata = pod.getMetadata();
        Map<String, String> labels = Objects.requireNonNullElse(metadata.getLabels(), Map.of());
        PodStatus status = Objects.requireNonNullElseGet(pod.getStatus(), PodStatus::new);
        Stream<ContainerView> init = status.getInitContainerStatuses().stream().map(c -> ContainerView.of(c, true));
        Stream<ContainerView> others = status.getContainerStatuses().stream().map(c -> ContainerView.of(c, false));
        Map<String, String> annotations = Objects.requireNonNullElse(metadata.getAnnotations(), Map.of());
        return RunPodBuilder.builder()
                .name(metadata.getName())
                .uid(Objects.requireNonNullElse(metadata.getUid(), ""))
                .phase(Objects.requireNonNullElse(status.getPhase(), "Pending"))
                .conditions(status.getConditions().stream()
                        .map(c -> RunPodSaidBuilder.builder()
                                .type(c.getType())
                                .holds("True".equals(c.getStatus()))
                                .reason(c.getReason())
                                .message(c.getMessage())
                                .since(Times.parse(c.getLastTransitionTime()))
                                .build())
                        .toList())
                .containers(Stream.concat(init, others).toList())
                .annotations(annotations.entrySet().stream()
                        .filter(a -> a.getKey().startsWith(Names.OWN))
                        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)))
                .runId(labels.get(Names.RUN_ID))
                .jobName(labels.getOrDefault(JOB_NAME, labels.get(OLD_JOB_NAME)))
                .jobUid(labels.getOrDefault(
                        CONTROLLER_UID, labels.getOrDefault(OLD_CONTROLLER_UID, controller(metadata))))
                .node(pod.getSpec() == null ? null : pod.getSpec().getNodeName())
                .reason(status.getReason())
                .message(status.getMessage())
                .created(Times.parse(metadata.getCreationTimestamp()))
                .deletionTime(Times.parse(metadata.getDeletionTimestamp()))
                .build();
    }

    private static @Nullable String controller(ObjectMeta metadata) {
        return metadata.getOwnerReferences().stream()
                .filter(o -> Boolean.TRUE.equals(o.getController()))
                .map(OwnerReference::getUid)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    /** The condition of that type, or null if nothing is said. */
    @Nullable Said condition(String type) {
        return conditions.stream()
                .filter(c -> c.type().equals(type))
                .findFirst()
                .orElse(null);
    }

    /** When it got a node; null: it has none, or it is not known. */
    @Nullable Instant placed() {
        Said scheduled = condition("PodScheduled");
        return scheduled != null && scheduled.holds() ? scheduled.since() : null;
    }

    /** Whether the cluster ended it for its own ends; its Job makes another one then. */
    boolean disrupted() {
        Said said = condition("DisruptionTarget");
        return said != null && said.holds();
    }

    /** The trainer's container; null as long as the node has said nothing of it. Others in the pod are not ours. */
    @Nullable ContainerView trainer() {
        return containers.stream()
                .filter(c -> !c.init() && c.name().equals(StageJob.CONTAINER))
                .findFirst()
                .orElse(null);
    }

    /** Whether its trainer will write nothing more. */
    boolean over() {
        ContainerView trainer = trainer();
        return phase.equals("Succeeded") || phase.equals("Failed") || (trainer != null && trainer.ended());
    }
}
