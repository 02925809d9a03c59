package training.lora.operator.plan;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Pods of the resource default/style. */
public final class Pods {
    private Pods() {}

    /** A pod of that Job of which nothing is said yet. */
    static RunPodBuilder of(String job) {
        return RunPodBuilder.builder()
                .name(job + "-abcde")
                .uid("pod-of-" + job)
                .phase("Pending")
                .conditions(List.of())
                .containers(List.of())
                .annotations(Map.of())
                .runId("abc")
                .jobName(job);
    }

    /** One whose trainer ended so. */
    public static RunPod ended(String job, int exitCode, @Nullable String reason, @Nullable String message) {
        Instant started = Instant.parse("2026-01-01T00:00:10Z");
        Instant finished = Instant.parse("2026-01-01T00:09:00Z");
        return of(job).phase(exitCode == 0 ? "Succeeded" : "Failed")
                .containers(List.of(trainerEnded(started, finished, exitCode, reason, message)))
                .build();
    }

    static ContainerView trainerEnded(
            Instant started, Instant finished, int exitCode, @Nullable String reason, @Nullable String message) {
        return ContainerViewBuilder.builder()
                .name("trainer")
                .init(false)
                .exitCode(exitCode)
                .endReason(reason)
                .message(message)
                .startedAt(started)
                .finishedAt(finished)
                .build();
    }

    static RunPodBuilder running(RunPodBuilder pod, Instant since) {
        return pod.phase("Running")
                .node("node-1")
                .containers(List.of(ContainerViewBuilder.builder()
                        .name("trainer")
                        .init(false)
                        .startedAt(since)
                        .build()));
    }

    static RunPodBuilder ended(RunPodBuilder pod, Instant started, Instant finished) {
        return pod.node("node-1").created(started);
    }

    static ContainerView waiting(String name, boolean init, String reason, @Nullable String message) {
        return ContainerViewBuilder.builder()
                .name(name)
                .init(init)
                .waitingReason(reason)
                .message(message)
                .build();
    }

    static RunPod.Said said(String type, boolean holds, @Nullable String reason, @Nullable String message) {
        return RunPodSaidBuilder.builder()
                .type(type)
                .holds(holds)
                .reason(reason)
                .message(message)
                .build();
    }
}
