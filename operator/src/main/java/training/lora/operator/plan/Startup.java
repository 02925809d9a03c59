package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;

/**
 * Why the trainer of an attempt does not run, or not as far as anyone knows.
 *
 * @param reason for the condition, in Kubernetes' own word where it has one
 * @param message a sentence with what Kubernetes said
 * @param warning whether someone may have to do something
 * @param detailed how a message goes on that says more, with what only events and claims say; null: there is no more to say
 */
record Startup(
        String reason,
        String message,
        boolean warning,
        @Nullable String detailed) {
    /** What a pod waits for when all is well. */
    private static final Set<String> USUAL = Set.of("ContainerCreating", "PodInitializing");
    /** The kubelet says these in turns of one problem. */
    private static final Map<String, String> SAME = Map.of("ImagePullBackOff", "ErrImagePull");

    private static final String QUEUE = "kueue.x-k8s.io/queue-name";
    private static final String STARTING = "Starting";
    private static final String ENDING = "PodEnding";
    private static final String NODE_LOST = "NodeLost";
    private static final String NOT_ENDING = "PodNotEnding";
    private static final Set<String> PASSING = Set.of(STARTING, ENDING, "JobEnding");
    private static final String CLAIM = "; the claim ";

    Startup(String reason, String message, boolean warning) {
        this(reason, message, warning, null);
    }

    /**
     * What {@code standing} says after {@code subject} if that is this and more: what events said is neither read again nor
     * forgotten as long as nothing else is said of the same pod or Job.
     */
    Startup or(@Nullable Condition standing, String subject) {
        return standing != null && detailed != null && stands(standing, subject + detailed)
                ? new Startup(
                        standing.getReason(), standing.getMessage().substring(subject.length()), warning, detailed)
                : this;
    }

    private static boolean stands(@Nullable Condition standing, String detailed) {
        return standing != null
                && "True".equals(standing.getStatus())
                && standing.getMessage() != null
                && standing.getMessage().contains(detailed);
    }

    /** Whether {@code standing} says already why the pod does not start on its node. */
    static boolean stands(@Nullable Condition standing, RunPod pod) {
        return stands(standing, cannotStart(pod));
    }

    /** Whether {@code standing} says already why the Job has no pod. */
    static boolean standsOfJob(@Nullable Condition standing, String job) {
        return stands(standing, cannotMake(job));
    }

    /** Whether {@code standing} says already what the scheduler says and how the claim is. */
    static boolean stands(@Nullable Condition standing, RunPod pod, RunPod.Said scheduled) {
        return stands(standing, notTaken(pod, scheduled) + CLAIM);
    }

    private static String cannotStart(RunPod pod) {
        return "the pod %s can't start on the node %s: ".formatted(pod.name(), pod.node());
    }

    private static String cannotMake(String job) {
        return "the Job %s can't make its pod: ".formatted(job);
    }

    private static String notTaken(RunPod pod, RunPod.Said scheduled) {
        return "no node takes the pod %s: %s"
                .formatted(pod.name(), Objects.requireNonNullElse(scheduled.message(), "no message"));
    }

    /** Null if the trainer runs. */
    static @Nullable Startup of(LoraTraining resource, Attempt attempt, Observed observed, Instant now) {
        RunPod running = attempt.running();
        if (running != null && running.deletionTime() == null) {
            return unreachable(running, observed);
        }
        RunPod alive = attempt.alive();
        if (alive != null && alive.deletionTime() != null) {
            return ending(alive, observed, now);
        }
        if (alive != null) {
            return pending(alive, observed);
        }
        if (attempt.suspended()) {
            Map<String, String> labels =
                    Objects.requireNonNullElse(resource.getMetadata().getLabels(), Map.of());
            String queue = labels.get(QUEUE);
            return new Startup(
                    "Queued",
                    "another controller keeps the Job %s suspended%s"
                            .formatted(
                                    attempt.entry().jobName(),
                                    queue == null ? "" : " until the queue " + queue + " admits it"),
                    false);
        }
        return withoutPod(attempt, observed);
    }

    /** Why nothing may start yet: a trainer of this name may still write to the workspace. Null if none may. */
    static @Nullable Startup busy(List<RunPod> pods, Observed observed, Instant now) {
        RunPod pod = pods.stream().filter(p -> !p.over()).findFirst().orElse(null);
        if (pod == null) {
            return null;
        }
        if (pod.deletionTime() != null) {
            return ending(pod, observed, now);
        }
        return new Startup(
                "WaitingForPod",
                "the pod %s, whose Job is gone, has not ended; two trainers must not share a workspace, so the next attempt waits for it"
                        .formatted(pod.name()),
                true);
    }

    private static @Nullable Startup unreachable(RunPod pod, Observed observed) {
        boolean lost = Boolean.FALSE.equals(observed.nodeReady(pod));
        return lost
                ? new Startup(
                        NODE_LOST,
                        "the node %s, on which the pod %s ran, is not ready".formatted(pod.node(), pod.name()),
                        true)
                : null;
    }

    /** A pod that was deleted and is not gone yet; it is never forced away, since its trainer may still write. */
    private static Startup ending(RunPod pod, Observed observed, Instant now) {
        boolean overdue = now.isAfter(Objects.requireNonNull(pod.deletionTime()).plusSeconds(10));
        Boolean ready = observed.nodeReady(pod);
        if (Boolean.FALSE.equals(ready)) {
            return new Startup(
                    NODE_LOST,
                    ("the node %1$s is not ready, and the trainer of its pod %2$s may still write to the workspace, so nothing starts; if the node is off, tell the cluster by `kubectl taint nodes %1$s node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`")
                            .formatted(pod.node(), pod.name()),
                    true);
        }
        if (overdue && ready == null) {
            return new Startup(
                    NOT_ENDING,
                    "the pod %s should have ended by %s, but its node %s has not said so; nothing starts until it is gone"
                            .formatted(pod.name(), pod.deletionTime(), pod.node()),
                    true);
        }
        return new Startup(ENDING, "the pod %s is ending; nothing starts until it has".formatted(pod.name()), overdue);
    }

    private static Startup pending(RunPod pod, Observed observed) {
        for (ContainerView container : pod.containers()) {
            String waiting = container.waitingReason();
            if (waiting != null && !USUAL.contains(waiting)) {
                return new Startup(
                        word(SAME.getOrDefault(waiting, waiting)),
                        "the container %s of the pod %s can't start: %s"
                                .formatted(container.name(), pod.name(), text(waiting, container.message())),
                        true);
            }
        }
        RunPod.Said scheduled = pod.condition("PodScheduled");
        if (pod.node() == null && scheduled != null && !scheduled.holds()) {
            return unscheduled(pod, scheduled, observed);
        }
        if (pod.node() == null) {
            return new Startup(STARTING, "the pod %s waits for a scheduler".formatted(pod.name()), false);
        }
        Warning warning = newest(observed, pod.uid(), pod.placed());
        if (warning != null) {
            return new Startup(word(warning.reason()), cannotStart(pod) + warning.message(), true);
        }
        return new Startup(
                STARTING,
                "the pod %s starts on the node %s".formatted(pod.name(), pod.node()),
                false,
                cannotStart(pod));
    }

    private static Startup unscheduled(RunPod pod, RunPod.Said scheduled, Observed observed) {
        String said = Objects.requireNonNullElse(scheduled.message(), "no message");
        String reason = Objects.requireNonNullElse(scheduled.reason(), "Unschedulable");
        if (aboutClaim(scheduled)) {
            // The scheduler says of an unbound claim "pod has unbound immediate PersistentVolumeClaims. not found".
            reason = said.contains("unbound") ? "ClaimNotBound" : said.contains("not found") ? "ClaimNotFound" : reason;
        }
        return new Startup(
                word(reason),
                notTaken(pod, scheduled) + claim(observed),
                !reason.equals("SchedulingGated"),
                notTaken(pod, scheduled) + CLAIM);
    }

    /** Whether the scheduler speaks of a claim. */
    static boolean aboutClaim(RunPod.Said scheduled) {
        return scheduled.message() != null
                && scheduled.message().toLowerCase(Locale.ROOT).contains("persistentvolumeclaim");
    }

    private static String claim(Observed observed) {
        ClaimView claim = observed.claim();
        if (claim == null || !claim.found() || "Bound".equals(claim.phase())) {
            return "";
        }
        Warning warning = claim.uid() == null ? null : newest(observed, claim.uid(), null);
        return CLAIM
                + "%s is %s%s".formatted(claim.name(), claim.phase(), warning == null ? "" : ": " + warning.message());
    }

    private static Startup withoutPod(Attempt attempt, Observed observed) {
        String job = attempt.entry().jobName();
        String uid = attempt.job() == null ? null : attempt.job().getMetadata().getUid();
        RunPod last = attempt.lastPod();
        Instant since = Attempt.latest(attempt.resumed(), last == null ? null : last.created());
        Warning warning = uid == null ? null : newest(observed, uid, since);
        if (warning != null) {
            // Each try has a name of its own, and says the same.
            String said = warning.message().replaceAll(Pattern.quote(job) + "-[a-z0-9]{5}\\b", job);
            return new Startup(word(warning.reason()), cannotMake(job) + said, true);
        }
        RunPod.Said disruption = last == null ? null : last.condition("DisruptionTarget");
        if (last != null && disruption != null) {
            return new Startup(
                    word(Objects.requireNonNullElse(disruption.reason(), "Disrupted")),
                    "the pod %s was disrupted (%s); its Job makes another"
                            .formatted(last.name(), disruption.sentence()),
                    true);
        }
        return new Startup(STARTING, made(job), false, cannotMake(job));
    }

    /** What is said of a Job that has no pod yet. */
    static String made(String job) {
        return "the Job %s makes its pod".formatted(job);
    }

    /** The newest of what holds still: what was said before {@code since} was about something that is over. */
    private static @Nullable Warning newest(Observed observed, String uid, @Nullable Instant since) {
        return observed.warnings().stream()
                .filter(w -> w.uid().equals(uid))
                .filter(w -> since == null || w.time() == null || !w.time().isBefore(since))
                .max(Comparator.comparing(w -> Objects.requireNonNullElse(w.time(), Instant.EPOCH)))
                .orElse(null);
    }

    /** Whether nobody knows whether the trainer still runs. */
    boolean lost() {
        return reason.equals(NODE_LOST) || reason.equals(NOT_ENDING);
    }

    /** Whether people are told of it once: what goes by in seconds is no event. */
    boolean told() {
        return warning || !PASSING.contains(reason);
    }

    /** Whether another image may help. */
    boolean ofImage() {
        return Set.of(
                        "ErrImagePull",
                        "InvalidImageName",
                        "ErrImageNeverPull",
                        "ImageInspectError",
                        "RegistryUnavailable")
                .contains(reason);
    }

    private static String text(String reason, @Nullable String message) {
        return Stream.of(reason, message)
                .filter(Objects::nonNull)
                .filter(t -> !t.isBlank())
                .collect(Collectors.joining(": "));
    }

    /** A condition's reason must be one word of letters and digits. */
    private static String word(String reason) {
        return reason.matches("[A-Za-z][A-Za-z0-9_]*") ? reason : "NotStarting";
    }
}
