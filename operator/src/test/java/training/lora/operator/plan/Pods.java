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
        return of(job).phase(exitCode == 0 ? "Succeeded" : "Failed")
                .containers(List.of(ContainerViewBuilder.builder()
                        .name("trainer")
                        .init(false)
                        .exitCode(exitCode)
                        .endReason(reason)
                        .message(message)
                        .startedAt(Instant.parse("2026-01-01T00:00:10Z"))
                        .finishedAt(Instant.parse("2026-01-01T00:09:00Z"))
                        .build()))
                .build();
    }
}
