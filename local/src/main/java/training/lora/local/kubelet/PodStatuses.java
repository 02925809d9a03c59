package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.net.HttpURLConnection;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Objects;

/** Writes what a kubelet and a scheduler say of a pod. */
final class PodStatuses {
    static final String NODE = "local";

    private final KubernetesClient client;

    PodStatuses(KubernetesClient client) {
        this.client = client;
    }

    /** It can't be placed (yet). */
    void unschedulable(Pod pod, String why) {
        boolean isSaid = pod.getStatus().getConditions().stream().anyMatch(c -> why.equals(c.getMessage()));
        if (!isSaid) {
            write(
                    pod,
                    base("Pending")
                            .withConditions(
                                    scheduled("False", "Unschedulable", why).build())
                            .build());
        }
    }

    /** It is placed, but its image isn't known. */
    void waiting(Pod pod, String reason, String message) {
        boolean isSaid = pod.getStatus().getContainerStatuses().stream()
                .anyMatch(c -> c.getState() != null
                        && c.getState().getWaiting() != null
                        && message.equals(c.getState().getWaiting().getMessage()));
        if (!isSaid) {
            ContainerState state = new ContainerStateBuilder()
                    .withNewWaiting()
                    .withReason(reason)
                    .withMessage(message)
                    .endWaiting()
                    .build();
            write(pod, withContainer(pod, base("Pending"), state, false));
        }
    }

    /** It can never run here. */
    void refused(Pod pod, String reason, String message) {
        write(pod, base("Failed").withReason(reason).withMessage(message).build());
    }

    /** It belongs to this node from now on. */
    void placed(Pod pod) {
        client.pods()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(pod.getMetadata().getName())
                .patch(PatchContext.of(PatchType.JSON_MERGE), "{\"spec\":{\"nodeName\":\"" + NODE + "\"}}");
    }

    void running(Pod pod, String since) {
        ContainerState state = new ContainerStateBuilder().withNewRunning(since).build();
        write(pod, withContainer(pod, base("Running").withStartTime(since), state, true));
    }

    void ended(Pod pod, String since, int exitCode, String message) {
        ContainerState state = new ContainerStateBuilder()
                .withNewTerminated()
                .withExitCode(exitCode)
                .withReason(exitCode == 0 ? "Completed" : "Error")
                .withMessage(message.isEmpty() ? null : message)
                .withStartedAt(since)
                .withFinishedAt(now())
                .endTerminated()
                .build();
        PodStatusBuilder status = base(exitCode == 0 ? "Succeeded" : "Failed").withStartTime(since);
        write(pod, withContainer(pod, status, state, false));
    }

    static String now() {
        return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static PodStatusBuilder base(String phase) {
        return new PodStatusBuilder().withPhase(phase).withHostIP("127.0.0.1").withPodIP("127.0.0.1");
    }

    private static PodConditionBuilder scheduled(String state, String reason, String message) {
        return new PodConditionBuilder()
                .withType("PodScheduled")
                .withStatus(state)
                .withReason(reason)
                .withMessage(message)
                .withLastTransitionTime(now());
    }

    private static PodStatus withContainer(Pod pod, PodStatusBuilder status, ContainerState state, boolean ready) {
        Container container = pod.getSpec().getContainers().get(0);
        return status.withContainerStatuses(new ContainerStatusBuilder()
                        .withName(container.getName())
                        .withImage(container.getImage())
                        .withImageID("")
                        .withRestartCount(0)
                        .withReady(ready)
                        .withStarted(ready)
                        .withState(state)
                        .build())
                .addToConditions(scheduled("True", "", "")
                        .withReason(null)
                        .withMessage(null)
                        .build())
                .addNewCondition()
                .withType("Ready")
                .withStatus(ready ? "True" : "False")
                .withLastTransitionTime(now())
                .endCondition()
                .build();
    }

    private void write(Pod pod, PodStatus status) {
        try {
            client.pods()
                    .inNamespace(pod.getMetadata().getNamespace())
                    .withName(pod.getMetadata().getName())
                    .subresource("status")
                    .patch(
                            PatchContext.of(PatchType.JSON_MERGE),
                            Serialization.asJson(Map.of("status", Objects.requireNonNull(status))));
        } catch (KubernetesClientException e) {
            // Deleted by force while it ran: there is no one left to tell.
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
        }
    }
}
