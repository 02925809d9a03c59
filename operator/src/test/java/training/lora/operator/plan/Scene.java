package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.JobStatusBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.StageStatus;

/** The run default/style in a cluster in which nothing happens but what a test says and what the plan does. */
final class Scene {
    static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    final LoraTraining resource;
    final Map<String, Job> jobs = new LinkedHashMap<>();
    final Map<String, RunPod> pods = new LinkedHashMap<>();
    final List<Warning> warnings = new ArrayList<>();
    final Map<String, Boolean> nodes = new LinkedHashMap<>();
    final Map<Reference, ReferenceView> references = new LinkedHashMap<>();
    final List<Action> done = new ArrayList<>();

    @Nullable ClaimView claim;
    /** Whether warnings and claim are read. */
    boolean read = true;
    /** What the API server says to each Job that is to be created; null: it takes it. */
    @Nullable String refusal;
    /** Whether a deleted Job stays until {@link #gone}. */
    boolean slow;

    Settings settings = settings("trainer:1", PodSettings.NONE);
    Instant now = START;
    private int uids;

    private Scene(LoraTraining resource) {
        this.resource = resource;
    }

    /** An operator's, whose trainers have this image, and that tries again after 10 to 60 s. */
    static Settings settings(String image, PodSettings pods) {
        return new Settings(image, null, Duration.ofSeconds(10), Duration.ofSeconds(60), pods);
    }

    /** A run whose spec has these fields beside its sources; no stage has begun. */
    static Scene of(String spec) throws JsonProcessingException {
        return new Scene(Resources.of(spec, "{}"));
    }

    /** One whose stage Prepare is over, so that Train comes next. */
    static Scene prepared(String spec) throws JsonProcessingException {
        return new Scene(
                Resources.of(
                        spec,
                        "{'runId':'abc','startTime':'2026-01-01T00:00:00Z','image':'trainer:1','stages':[{'name':'Prepare','attempt':1,'jobName':'style-prepare-1','outcome':'Succeeded'}]}"));
    }

    /** Changes the spec, as a person does. */
    Scene corrected(String spec) throws JsonProcessingException {
        resource.setSpec(Resources.of(spec, "{}").getSpec());
        resource.getMetadata().setGeneration(resource.getMetadata().getGeneration() + 1);
        return this;
    }

    /** Lets time pass, then plans and does what was planned until nothing more is to be done at once. */
    PlanResult after(long seconds) {
        now = now.plusSeconds(seconds);
        return plan();
    }

    PlanResult plan() {
        done.clear();
        for (int round = 0; round < 8; round++) {
            Observed observed = ObservedBuilder.builder()
                    .jobs(List.copyOf(jobs.values()))
                    .pods(List.copyOf(pods.values()))
                    .warnings(warnings)
                    .nodesReady(nodes)
                    .references(references())
                    .why(read)
                    .claim(claim)
                    .build();
            PlanResult plan = Plan.of(resource, observed, settings, now);
            boolean jobs = plan.actions().stream().anyMatch(Action.CreateJob.class::isInstance);
            if (refusal != null && jobs) {
                // Jobs are created before the status is written.
                plan = Stall.refused(resource, "Job", refusal, settings, now);
            }
            plan.actions().forEach(this::act);
            if (!plan.again()) {
                return plan;
            }
        }
        throw new AssertionError("the plan never rests");
    }

    /** What is read of the Secrets and accounts that are wanted. */
    private Map<Reference, ReferenceView> references() {
        return wanted().references().stream()
                .collect(Collectors.toMap(r -> r, r -> references.getOrDefault(r, ReferenceView.MISSING)));
    }

    /** A Secret of that name is there. */
    void secret(String name, boolean allowed, String version) {
        references.put(
                new Reference(Reference.Kind.Secret, name),
                new ReferenceView(allowed ? ReferenceView.State.ALLOWED : ReferenceView.State.UNLABELLED, version));
    }

    /** What would be read beside Jobs and pods. */
    Wanted wanted() {
        return Wanted.of(resource, List.copyOf(jobs.values()), List.copyOf(pods.values()), now);
    }

    private void act(Action action) {
        done.add(action);
        if (action instanceof Action.WriteStatus write) {
            resource.setStatus(write.status());
        } else if (action instanceof Action.CreateJob create) {
            Job job = new JobBuilder(create.job())
                    .editMetadata()
                    .withUid("job-" + ++uids)
                    .withCreationTimestamp(now.toString())
                    .endMetadata()
                    .build();
            jobs.put(job.getMetadata().getName(), job);
        } else if (action instanceof Action.DeleteJob delete) {
            if (slow) {
                job(delete.name(), j -> new JobBuilder(j)
                        .editMetadata()
                        .withDeletionTimestamp(now.toString())
                        .endMetadata()
                        .build());
            } else {
                gone(delete.name());
            }
        }
    }

    /** The Job and its pods are no more. */
    void gone(String job) {
        jobs.remove(job);
        pods.values().removeIf(p -> job.equals(p.jobName()));
    }

    void job(String name, UnaryOperator<Job> change) {
        jobs.computeIfPresent(name, (key, job) -> change.apply(job));
    }

    /** The Job has that condition. */
    void condition(String job, String type, String reason, String message) {
        job(job, j -> new JobBuilder(j)
                .withStatus(new JobStatusBuilder()
                        .addNewCondition()
                        .withType(type)
                        .withStatus("True")
                        .withReason(reason)
                        .withMessage(message)
                        .endCondition()
                        .build())
                .build());
    }

    /** Another controller suspends the Job, or lets it go on. */
    void suspend(String job, boolean suspended) {
        job(job, j -> new JobBuilder(j)
                .editSpec()
                .withSuspend(suspended)
                .endSpec()
                .withStatus(
                        suspended
                                ? null
                                : new JobStatusBuilder()
                                        .withStartTime(now.toString())
                                        .build())
                .build());
    }

    /** A pod of that Job that waits; as it is after {@code change}. */
    RunPod pod(String job, UnaryOperator<RunPodBuilder> change) {
        Job owner = jobs.get(job);
        RunPodBuilder pod = Pods.of(job).runId(resource.getStatus().runId()).created(now);
        if (owner != null) {
            pod.jobUid(owner.getMetadata().getUid());
        }
        RunPod made = change.apply(pod).build();
        pods.put(made.name(), made);
        return made;
    }

    /** Its pod runs since now on node-1. */
    void runs(String job) {
        pod(job, p -> Pods.running(p, now));
    }

    /** Its pod ran for that long and ended so. */
    void ended(String job, long seconds, int code, @Nullable String message) {
        Instant started = now;
        now = now.plusSeconds(seconds);
        pod(job, p -> Pods.ended(p, started, now)
                .containers(List.of(Pods.trainerEnded(started, now, code, code == 0 ? "Completed" : "Error", message)))
                .phase(code == 0 ? "Succeeded" : "Failed"));
    }

    /** The Job of that name, which is there. */
    Job job(String name) {
        return Objects.requireNonNull(jobs.get(name), name);
    }

    LoraTrainingStatus status() {
        return resource.getStatus();
    }

    /** The newest stage. */
    StageStatus stage() {
        List<StageStatus> stages = status().stages();
        return stages.get(stages.size() - 1);
    }

    Condition condition(String type) {
        return status().conditions().stream()
                .filter(c -> c.getType().equals(type))
                .findFirst()
                .orElseThrow();
    }

    Condition reconciling() {
        return condition("Reconciling");
    }

    /** Reasons of the events of the last plan. */
    List<String> events() {
        return done.stream()
                .filter(Action.Emit.class::isInstance)
                .map(a -> ((Action.Emit) a).reason())
                .toList();
    }

    /** Names of what the last plan created as Jobs. */
    List<String> created() {
        return done.stream()
                .filter(Action.CreateJob.class::isInstance)
                .map(a -> ((Action.CreateJob) a).job().getMetadata().getName())
                .toList();
    }

    /** Names of the Jobs that the last plan deleted. */
    List<String> deleted() {
        return done.stream()
                .filter(Action.DeleteJob.class::isInstance)
                .map(a -> ((Action.DeleteJob) a).name())
                .toList();
    }
}
