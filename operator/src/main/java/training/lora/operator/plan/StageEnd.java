package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobCondition;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.api.StageStatus;

/**
 * How an attempt ended, read from its Job, its pod's exit code and what the trainer wrote, in growing order of what
 * they know and falling order of how sure it is that they are there.
 */
record StageEnd(
        Outcome outcome,
        @Nullable Reason reason,
        @Nullable String message,
        @Nullable StageResult result) {

    static boolean finished(Job job) {
        return condition(job, "Complete") != null || condition(job, "Failed") != null;
    }

    static StageEnd of(StageStatus entry, Job job, @Nullable PodResult pod) {
        StageResult result = pod == null ? null : parse(pod.terminationMessage(), entry);
        JobCondition failed = condition(job, "Failed");
        boolean said = result != null && result.outcome() == Outcome.Failed;
        if (failed == null && !said) {
            return new StageEnd(Outcome.Succeeded, null, result == null ? null : result.message(), result);
        }
        if (failed != null && "DeadlineExceeded".equals(failed.getReason())) {
            return new StageEnd(
                    Outcome.Failed, Reason.DeadlineExceeded, "`spec.activeDeadlineSeconds` have passed", result);
        }
        if (said && result != null && result.reason() != null) {
            return new StageEnd(Outcome.Failed, result.reason(), result.message(), result);
        }
        if (pod == null) {
            String why = failed == null || failed.getMessage() == null ? "no pod is left" : failed.getMessage();
            return new StageEnd(Outcome.Failed, Reason.PodFailed, "the Job failed: " + why, result);
        }
        Reason reason = "OOMKilled".equals(pod.cause()) ? Reason.OutOfMemory : Reason.ofExitCode(pod.exitCode());
        String message = "the trainer ended with exit code %d%s and no readable result"
                .formatted(pod.exitCode(), pod.cause() == null ? "" : " (" + pod.cause() + ")");
        return new StageEnd(Outcome.Failed, reason, message, result);
    }

    private static @Nullable StageResult parse(@Nullable String message, StageStatus entry) {
        if (message == null || message.isBlank()) {
            return null;
        }
        try {
            StageResult result = Json.MAPPER.readValue(message, StageResult.class);
            boolean ours = StageResult.VERSION.equals(result.version())
                    && entry.name() == result.stage()
                    && entry.attempt().equals(result.attempt());
            return ours ? result : null;
        } catch (JsonProcessingException e) {
            // The exit code speaks for a message that was cut or never was a result.
            return null;
        }
    }

    private static @Nullable JobCondition condition(Job job, String type) {
        List<JobCondition> conditions =
                job.getStatus() == null ? List.of() : job.getStatus().getConditions();
        return conditions.stream()
                .filter(c -> type.equals(c.getType()) && "True".equals(c.getStatus()))
                .findFirst()
                .orElse(null);
    }
}
