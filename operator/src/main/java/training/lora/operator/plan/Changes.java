package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.RunLimits;
import training.lora.api.RunSpec;
import training.lora.api.RuntimeSpec;
import training.lora.api.Stage;
import training.lora.api.TextDigest;

/** What a change of the spec means for a run that has begun. */
final class Changes {
    /** Annotation of a Job with the generation that it was made for. */
    static final String GENERATION = Names.OWN + "generation";
    /** Annotation of what is made from the spec, with a hash of what the spec said of it. */
    static final String HASH = Names.OWN + "spec-hash";
    /** Annotation of a Job with the image that the operator gave it; a webhook may put another one into the Job. */
    static final String IMAGE = Names.OWN + "image";
    /** Reason of the condition Stalled where this operator can't read the resource. */
    static final String UNKNOWN_VALUE = "UnknownValue";

    private Changes() {}

    /** Whether the run's first container has run; from then on what the run depends on is fixed. */
    static boolean started(LoraTrainingStatus status) {
        // An older operator wrote no start.
        return status.startTime() != null || status.stages().stream().anyMatch(s -> s.outcome() == Outcome.Succeeded);
    }

    /** Whether nothing was written yet of the run. */
    static boolean isNew(LoraTrainingStatus status) {
        return status.runId() == null && status.stages().isEmpty();
    }

    /**
     * Whether the spec was changed since a status was written for it. An operator that could not read the spec wrote its
     * generation, but took nothing from it.
     */
    static boolean unseen(LoraTraining resource, LoraTrainingStatus status) {
        return StatusDraft.isTrue(status, "Stalled", UNKNOWN_VALUE)
                || !Objects.equals(resource.getMetadata().getGeneration(), status.observedGeneration());
    }

    /** The id that the run gets by the spec as it is; null: it keeps the one that it has. */
    static @Nullable String newRunId(LoraTraining resource, LoraTrainingStatus status) {
        boolean waits = resource.getSpec().suspend() && status.stages().isEmpty();
        if (started(status) || waits || (status.runId() != null && !unseen(resource, status))) {
            return null;
        }
        String id = runIdBySpec(resource);
        return id.equals(status.runId()) ? null : id;
    }

    /** The run's id: that in the status, or, of a run of which nothing was written yet, the one that it gets. */
    static @Nullable String runId(LoraTraining resource) {
        LoraTrainingStatus status = StatusDraft.old(resource);
        return isNew(status) && resource.getSpec() != null ? runIdBySpec(resource) : status.runId();
    }

    private static String runIdBySpec(LoraTraining resource) {
        return RunSpec.of(
                        resource.getMetadata().getNamespace(),
                        resource.getMetadata().getName(),
                        resource.getSpec())
                .runId();
    }

    /** Notes in the attempt's Job what it is made from. */
    static Job marked(Job job, StageAttempt attempt) {
        Map<String, String> annotations =
                new TreeMap<>(Objects.requireNonNullElse(job.getMetadata().getAnnotations(), Map.of()));
        annotations.put(HASH, inputs(attempt.resource(), attempt.runId(), attempt.stage()));
        annotations.put(GENERATION, generation(attempt.resource()));
        annotations.put(IMAGE, attempt.image());
        if (attempt.references() != null) {
            annotations.put(References.VERSIONS, attempt.references());
        }
        job.getMetadata().setAnnotations(annotations);
        return job;
    }

    /**
     * Whether the stage's {@code job} was made for another spec that said something else of it. What operators of another
     * release or with other settings would make of the same spec is no reason to give up a place in a queue.
     */
    static boolean outdated(Job job, LoraTraining resource, String runId, Stage stage) {
        Map<String, String> before =
                Objects.requireNonNullElse(job.getMetadata().getAnnotations(), Map.of());
        String hash = before.get(HASH);
        return hash != null
                ? ofOtherGeneration(job, resource) && !hash.equals(inputs(resource, runId, stage))
                : label(job) != null && !runId.equals(label(job));
    }

    /** Whether {@code job} was made before the spec was last changed; false if it does not say so. */
    static boolean ofOtherGeneration(Job job, LoraTraining resource) {
        Map<String, String> annotations = job.getMetadata().getAnnotations();
        String generation = annotations == null ? null : annotations.get(GENERATION);
        return generation != null && !generation.equals(generation(resource));
    }

    private static String generation(LoraTraining resource) {
        return String.valueOf(resource.getMetadata().getGeneration());
    }

    /** A hash of all that the spec says of the stage's Job. */
    private static String inputs(LoraTraining resource, String runId, Stage stage) {
        RuntimeSpec runtime = resource.getSpec().runtime();
        Map<String, @Nullable Object> inputs = new TreeMap<>();
        inputs.put("runId", runId);
        inputs.put("image", runtime.image());
        inputs.put("serviceAccountName", runtime.serviceAccountName());
        inputs.put("workspace", runtime.workspace());
        inputs.put(
                "stage",
                runtime.stages().stream()
                        .filter(s -> s.name() == stage)
                        .findFirst()
                        .orElse(null));
        inputs.put("inherited", Placement.inherited(resource, stage));
        inputs.put("cards", Placement.cards(resource));
        // What a Job of an earlier release could not have leaves its hash as it was.
        Set<String> secrets = References.secrets(resource.getSpec(), stage);
        if (!secrets.isEmpty()) {
            inputs.put("secrets", secrets);
        }
        if (runtime.cache() != null) {
            inputs.put("cache", runtime.cache());
        }
        return hash(inputs);
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

    /** Of a value, however its maps are ordered, 16 hex digits. */
    static String hash(Object value) {
        return TextDigest.sha256(Json.sorted(value)).substring(0, 16);
    }

    /** Tells messages of one kind of event apart, 6 hex digits. */
    static String shortHash(String message) {
        return hash(message).substring(0, 6);
    }
}
