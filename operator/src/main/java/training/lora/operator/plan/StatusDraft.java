package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ConditionBuilder;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.LoraTrainingStatusBuilder;
import training.lora.api.Outcome;
import training.lora.api.Progress;
import training.lora.api.Provenance;
import training.lora.api.RunLimits;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.api.StageStatus;
import training.lora.api.StageStatusBuilder;

/** A status in the making; what is not set stays as it was. */
final class StatusDraft {
    private static final List<String> TYPES =
            List.of("Complete", "Failed", "Suspended", "Reconciling", "Stalled", Review.AWAITING);

    private static final LoraTrainingStatus NOTHING = LoraTrainingStatusBuilder.builder()
            .conditions(List.of())
            .stages(List.of())
            .checkpoints(List.of())
            .artifacts(List.of())
            .build();

    private final LoraTraining resource;
    private final LoraTrainingStatus old;
    private final Instant now;
    private List<Condition> conditions;
    private @Nullable String runId;
    private @Nullable String startTime;
    private @Nullable String image;
    private @Nullable Integer activeSeconds;
    private @Nullable RunLimits limits;
    private @Nullable String phase;
    private @Nullable String model;
    private List<StageStatus> stages;
    private @Nullable Progress progress;
    private @Nullable Checkpoint base;
    private @Nullable Checkpoint best;
    private List<Checkpoint> checkpoints;
    private List<Artifact> artifacts;
    private @Nullable Provenance provenance;
    private @Nullable String stoppedEarly;

    StatusDraft(LoraTraining resource, LoraTrainingStatus old, Instant now) {
        this.resource = resource;
        this.old = old;
        this.now = now;
        conditions = old.conditions();
        runId = old.runId();
        startTime = old.startTime();
        image = old.image();
        activeSeconds = old.activeSeconds();
        limits = old.limits();
        phase = old.phase();
        model = old.model();
        stages = old.stages();
        progress = old.progress();
        base = old.base();
        best = old.best();
        checkpoints = old.checkpoints();
        artifacts = old.artifacts();
        provenance = old.provenance();
        stoppedEarly = old.stoppedEarly();
    }

    /** The status of {@code resource} as it was read. */
    static LoraTrainingStatus old(LoraTraining resource) {
        return resource.getStatus() != null ? resource.getStatus() : NOTHING;
    }

    LoraTrainingStatus build() {
        return LoraTrainingStatusBuilder.builder()
                .conditions(conditions)
                .stages(stages)
                .checkpoints(checkpoints)
                .artifacts(artifacts)
                .observedGeneration(resource.getMetadata().getGeneration())
                .runId(runId)
                .startTime(startTime)
                .image(image)
                .activeSeconds(activeSeconds)
                .limits(limits)
                .phase(phase)
                .model(model)
                .loss(old.loss())
                .progress(progress)
                .base(base)
                .best(best)
                .provenance(provenance)
                .stoppedEarly(stoppedEarly)
                .build();
    }

    @Nullable String runId() {
        return runId;
    }

    void runId(String id) {
        runId = id;
    }

    /** The run's first container began to run; its image is the run's from now on. */
    void started(Instant time, String with) {
        startTime = startTime == null ? seconds(time) : startTime;
        // An operator wrote none where the Job was gone by then.
        image = image == null ? with : image;
    }

    /** For how long containers of the run have run that run no more. */
    int activeSeconds() {
        return activeSeconds == null ? 0 : activeSeconds;
    }

    /** A container ran for that long. */
    void ran(Duration time) {
        long seconds = Math.max(0, time.toSeconds());
        activeSeconds = (int) Math.min(Integer.MAX_VALUE, activeSeconds() + seconds);
    }

    void limits(@Nullable RunLimits what) {
        limits = what;
    }

    /** What has failed so far is forgotten. */
    void forgive() {
        limits = null;
        stages = stages.stream()
                .map(s -> s.outcome() == Outcome.Failed
                        ? StageStatusBuilder.builder(s)
                                .failures(0)
                                .interruptions(0)
                                .build()
                        : s)
                .toList();
    }

    /** The given types are true, every other one is false; a transition's time changes only with its status. */
    void state(String newPhase, List<String> trueTypes, String reason, String message) {
        phase = newPhase;
        List<Condition> next = new ArrayList<>();
        for (String type : TYPES) {
            boolean holds = trueTypes.contains(type);
            Condition before = condition(old, type);
            if (type.equals(Review.AWAITING) && !holds && before == null) {
                // Most runs never wait for it.
                continue;
            }
            String state = holds ? "True" : "False";
            boolean same = before != null && state.equals(before.getStatus());
            next.add(new ConditionBuilder()
                    .withType(type)
                    .withStatus(state)
                    .withReason(holds ? reason : "Not" + type)
                    .withMessage(holds ? message : "")
                    .withObservedGeneration(resource.getMetadata().getGeneration())
                    .withLastTransitionTime(same && before != null ? before.getLastTransitionTime() : seconds(now))
                    .build());
        }
        conditions = next;
    }

    @Nullable StageStatus stage(Stage stage) {
        return stages.stream().filter(s -> s.name() == stage).findFirst().orElse(null);
    }

    /** Enters it, and with its beginning or end the progress that belongs to it. */
    void stage(StageStatus entry) {
        List<StageStatus> next = new ArrayList<>(stages);
        next.removeIf(s -> s.name() == entry.name());
        next.add(entry);
        next.sort(java.util.Comparator.comparing(StageStatus::name));
        stages = next;
        if (entry.name() == Stage.Prepare && entry.outcome() == Outcome.Failed) {
            // Nothing was made that depends on spec or image, so both may be corrected.
            startTime = null;
            image = null;
        }
        progress = StageProgress.of(entry, progress);
    }

    /** Takes over what a stage found out; what it says nothing of stays. */
    void take(StageResult result, String artifactRoot, String image) {
        model = result.model() != null ? result.model() : model;
        stoppedEarly = result.stoppedEarly() != null ? result.stoppedEarly() : stoppedEarly;
        base = result.base() != null ? result.base() : base;
        best = result.best() != null && measured() ? result.best() : best;
        checkpoints = result.checkpoints().isEmpty() ? checkpoints : result.checkpoints();
        if (!result.artifacts().isEmpty()) {
            artifacts = result.artifacts().stream()
                    .map(a -> new Artifact(
                            a.name(), a.format(), absolute(a.uri(), artifactRoot), a.sizeBytes(), a.sha256()))
                    .toList();
        }
        Provenance before = provenance != null ? provenance : new Provenance(null, null, null);
        provenance = new Provenance(
                result.baseModelDigest() != null ? result.baseModelDigest() : before.baseModelDigest(),
                result.datasetDigest() != null ? result.datasetDigest() : before.datasetDigest(),
                image);
    }

    /** Of an artifact; in a bucket or another claim it has one already. */
    private static String absolute(String uri, String root) {
        return uri.contains("://") ? uri : root + uri;
    }

    /** Without evaluation no checkpoint is called the best. */
    private boolean measured() {
        return resource.getSpec().evaluation().enabled();
    }

    static @Nullable Condition condition(LoraTrainingStatus status, String type) {
        return status.conditions().stream()
                .filter(c -> type.equals(c.getType()))
                .findFirst()
                .orElse(null);
    }

    /** Whether that holds by what was drafted. */
    boolean isTrue(String type) {
        return conditions.stream().anyMatch(c -> type.equals(c.getType()) && "True".equals(c.getStatus()));
    }

    static boolean isTrue(LoraTrainingStatus status, String type) {
        Condition condition = condition(status, type);
        return condition != null && "True".equals(condition.getStatus());
    }

    /** Whether that holds, and for that reason. */
    static boolean isTrue(LoraTrainingStatus status, String type, String reason) {
        Condition condition = condition(status, type);
        return condition != null && "True".equals(condition.getStatus()) && reason.equals(condition.getReason());
    }

    /** RFC 3339 in whole seconds, as Kubernetes writes times. */
    static String seconds(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString();
    }
}
