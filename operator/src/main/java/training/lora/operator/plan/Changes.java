package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.RunLimits;
import training.lora.api.TextDigest;

/** What a change of the spec means for a run that has begun. */
final class Changes {
    /** Annotation of a Job with the generation that it was made for. */
    static final String GENERATION = Names.OWN + "generation";
    /** Annotation of what is made from the spec, with a hash of what it was made as. */
    static final String HASH = Names.OWN + "spec-hash";

    private Changes() {}

    /** Whether the run's first container has run; from then on what the run depends on is fixed. */
    static boolean started(LoraTrainingStatus status) {
        // An older operator wrote no start.
        return status.startTime() != null || status.stages().stream().anyMatch(s -> s.outcome() == Outcome.Succeeded);
    }

    /** Whether the spec was changed since the status was written. */
    static boolean unseen(LoraTraining resource, LoraTrainingStatus status) {
        return !Objects.equals(resource.getMetadata().getGeneration(), status.observedGeneration());
    }

    /** Notes in {@code job} what it is made from. */
    static Job marked(Job job, LoraTraining resource) {
        Map<String, String> annotations = new java.util.TreeMap<>(
                Objects.requireNonNullElse(job.getMetadata().getAnnotations(), Map.of()));
        annotations.put(HASH, hash(Serialization.asJson(job.getSpec())));
        annotations.put(GENERATION, String.valueOf(resource.getMetadata().getGeneration()));
        job.getMetadata().setAnnotations(annotations);
        return job;
    }

    /**
     * Whether {@code job} was made for another spec and would now be made otherwise. An operator of another release makes
     * Jobs a little otherwise; that alone is no reason to give up a place in a queue.
     */
    static boolean outdated(Job job, Job now) {
        Map<String, String> before =
                Objects.requireNonNullElse(job.getMetadata().getAnnotations(), Map.of());
        Map<String, String> after = now.getMetadata().getAnnotations();
        String hash = before.get(HASH);
        return hash != null
                ? !Objects.equals(before.get(GENERATION), after.get(GENERATION)) && !hash.equals(after.get(HASH))
                : label(job) != null && !Objects.equals(label(job), label(now));
    }

    private static @Nullable String label(Job job) {
        Map<String, String> labels = job.getMetadata().getLabels();
        return labels == null ? null : labels.get(Names.RUN_ID);
    }

    /** What limits the run now. */
    static RunLimits limits(LoraTrainingSpec spec) {
        return new RunLimits(
                spec.retries(), spec.activeDeadlineSeconds(), spec.startDeadlineSeconds(), hash(spec.runtime()));
    }

    /** Whether a failed run goes on because of what was changed since. */
    static boolean reopens(LoraTraining resource, LoraTrainingStatus status) {
        LoraTrainingSpec spec = resource.getSpec();
        if (!StatusDraft.isTrue(status, "Failed") || spec == null || !unseen(resource, status)) {
            return false;
        }
        if (!started(status)) {
            return true;
        }
        RunLimits before = status.limits();
        if (before == null || !mendable(StatusDraft.condition(status, "Failed"))) {
            return false;
        }
        return spec.retries() > before.retries()
                || raised(before.activeDeadlineSeconds(), spec.activeDeadlineSeconds())
                || raised(before.startDeadlineSeconds(), spec.startDeadlineSeconds())
                || !before.runtime().equals(hash(spec.runtime()));
    }

    private static boolean raised(@Nullable Integer before, @Nullable Integer after) {
        return before != null && (after == null || after > before);
    }

    private static boolean mendable(@Nullable Condition failed) {
        for (Reason reason : Reason.values()) {
            if (failed != null && reason.name().equals(failed.getReason())) {
                return reason.retriable() || reason == Reason.DeadlineExceeded;
            }
        }
        return false;
    }

    /** Of a value as JSON, 16 hex digits. */
    static String hash(Object value) {
        try {
            return hash(Json.MAPPER.writeValueAsString(value));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String hash(String text) {
        return TextDigest.sha256(text).substring(0, 16);
    }
}
