package training.lora.operator.plan;

import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.operator.plan.StageEnd.Ending;

/** How an attempt ended by the word of its last pod; only the trainer's container counts, whatever else is in the pod. */
final class PodEnd {
    /** Of the log's end, where the trainer could write no result. */
    private static final int LOG_CHARACTERS = 400;
    /** What a process ends with that was told to, or killed after that: 130 SIGINT, 137 SIGKILL, 143 SIGTERM. */
    private static final Set<Integer> TOLD_TO_END = Set.of(Reason.Preempted.exitCode(), 130, 137, 143);
    /** What container runtimes say of a process that they could not start. */
    private static final Set<String> NEVER_STARTED =
            Set.of("StartError", "ContainerCannotRun", "ContainerStatusUnknown", "CreateContainerError");

    private final RunPod pod;
    private final @Nullable ContainerView trainer;
    private final @Nullable StageResult result;

    private PodEnd(Attempt attempt, RunPod pod) {
        this.pod = pod;
        this.trainer = pod.trainer();
        this.result = trainer == null ? null : StageEnd.parse(trainer.message(), attempt);
    }

    static StageEnd of(Attempt attempt, RunPod pod) {
        return new PodEnd(attempt, pod).end();
    }

    private StageEnd end() {
        Integer code = trainer == null ? null : trainer.exitCode();
        if (code != null && code == 0 && result != null && result.outcome() == Outcome.Succeeded) {
            return new StageEnd(Outcome.Succeeded, null, result.message(), result, Ending.OWN);
        }
        StageEnd outside = fromOutside();
        if (outside != null) {
            return outside.with(result);
        }
        if (trainer == null || code == null) {
            return neverRan();
        }
        if (pod.deletionTime() != null && TOLD_TO_END.contains(code)) {
            return StageEnd.failure(Reason.Preempted, "the pod " + pod.name() + " was deleted", Ending.DELETED)
                    .with(result);
        }
        if (result != null && result.outcome() == Outcome.Failed && result.reason() != null) {
            boolean told = result.reason() == Reason.Preempted;
            String message = Objects.requireNonNullElse(result.message(), "no message");
            return StageEnd.failure(result.reason(), message, told ? Ending.TOLD : Ending.OWN)
                    .with(result);
        }
        return byCode(code);
    }

    /** What someone other than the trainer made of the pod; null if it ended by itself. */
    private @Nullable StageEnd fromOutside() {
        String said = Objects.requireNonNullElse(pod.message(), "no message");
        if ("Evicted".equals(pod.reason())) {
            // The kubelet sends SIGTERM first, so the trainer may have taken it for a preemption.
            boolean storage = said.toLowerCase(Locale.ROOT).matches("(?s).*(storage|emptydir|disk|inodes).*");
            return storage
                    ? StageEnd.failure(Reason.StorageFull, "the kubelet evicted the pod: " + said, Ending.OWN)
                    : StageEnd.failure(Reason.Preempted, "the kubelet evicted the pod: " + said, Ending.TOLD);
        }
        if (trainer != null && "OOMKilled".equals(trainer.endReason())) {
            return StageEnd.failure(
                    Reason.OutOfMemory,
                    "the trainer was killed because its container exceeded its memory limit (OOMKilled); a higher limit in `spec.runtime.stages`, or a smaller batch or resolution, may help",
                    Ending.OWN);
        }
        if ("DeadlineExceeded".equals(pod.reason())) {
            return StageEnd.failure(Reason.Preempted, "the pod's own deadline passed: " + said, Ending.TOLD);
        }
        RunPod.Said disruption = pod.condition("DisruptionTarget");
        boolean ownWord = result != null && result.reason() != null && result.reason() != Reason.Preempted;
        if (disruption != null && disruption.holds() && !ownWord) {
            return StageEnd.failure(
                    Reason.Preempted,
                    "the pod %s was disrupted: %s".formatted(pod.name(), disruption.sentence()),
                    Ending.DELETED);
        }
        return null;
    }

    private StageEnd neverRan() {
        String why = pod.containers().stream()
                .filter(c -> c.init() && c.ended() && !Objects.equals(c.exitCode(), 0))
                .map(c -> "its init container %s ended with exit code %d%s"
                        .formatted(c.name(), c.exitCode(), c.message() == null ? "" : ": " + c.message()))
                .findFirst()
                .orElse(sentence(pod.reason(), pod.message()));
        if (pod.deletionTime() != null) {
            return StageEnd.failure(
                    Reason.Preempted, "the pod %s was deleted before it ran".formatted(pod.name()), Ending.DELETED);
        }
        return StageEnd.failure(
                Reason.PodFailed,
                "the pod %s failed before its trainer ran: %s".formatted(pod.name(), why),
                Ending.OWN);
    }

    private StageEnd byCode(int code) {
        ContainerView ended = Objects.requireNonNull(trainer);
        if (NEVER_STARTED.contains(Objects.requireNonNullElse(ended.endReason(), ""))) {
            return StageEnd.failure(
                    Reason.PodFailed,
                    "the trainer's container could not be started (%s)"
                            .formatted(sentence(ended.endReason(), ended.message())),
                    Ending.OWN);
        }
        String cause =
                ended.endReason() == null || "Error".equals(ended.endReason()) || "Completed".equals(ended.endReason())
                        ? ""
                        : " (" + ended.endReason() + ")";
        String message = "the trainer ended with exit code %d%s and no readable result of this run, stage and attempt%s"
                .formatted(code, cause, log(ended.message()));
        Reason reason = code == 0 ? Reason.PodFailed : Reason.ofExitCode(code);
        return StageEnd.failure(reason, message, reason == Reason.Preempted ? Ending.TOLD : Ending.OWN);
    }

    private static String sentence(@Nullable String reason, @Nullable String message) {
        String said = reason == null ? "no reason is given" : reason;
        return message == null || message.isBlank() ? said : said + ": " + message;
    }

    private static String log(@Nullable String tail) {
        if (tail == null || tail.isBlank()) {
            return "";
        }
        String line = tail.strip().replaceAll("\\s+", " ");
        return "; its last words: " + line.substring(Math.max(0, line.length() - LOG_CHARACTERS));
    }
}
