package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;

/**
 * What is to be read beside Jobs and pods, because they alone don't say why nothing runs. Empty for a run that goes well.
 *
 * @param warningsOf the uids of Jobs, pods and the claim whose warnings are wanted
 * @param nodes names of nodes of which is to be known whether they are ready
 * @param claim the name of the claim that is wanted; if it is there, so are its warnings
 * @param references Secrets and accounts of which is to be known whether trainings may use them
 * @param told whether the status already has what warnings and claim would say of the same pods and Jobs
 */
public record Wanted(
        Set<String> warningsOf, Set<String> nodes, @Nullable String claim, Set<Reference> references, boolean told) {
    /** A pod that was made or placed within this time is not late yet. */
    private static final Duration PATIENCE = Duration.ofSeconds(3);

    /** Nothing. */
    public static final Wanted NOTHING = new Wanted(Set.of(), Set.of(), null, Set.of(), false);

    public Wanted {
        warningsOf = Set.copyOf(warningsOf);
        nodes = Set.copyOf(nodes);
        references = Set.copyOf(references);
    }

    /** Whether warnings or the claim are wanted, to learn why a pod does not start. */
    public boolean why() {
        return claim != null || !warningsOf.isEmpty();
    }

    /** Without warnings and claim. */
    public Wanted withoutWhy() {
        return new Wanted(Set.of(), nodes, null, references, told);
    }

    /** Whether nothing at all need be read of this run: it is finished, and what follows needs no Jobs. */
    public static boolean settled(LoraTraining resource, Instant now) {
        return Finished.settled(resource, now);
    }

    /** What is wanted of {@code resource}, given its Jobs and pods. */
    public static Wanted of(LoraTraining resource, List<Job> jobs, List<RunPod> pods, Instant now) {
        LoraTrainingStatus status = resource.getStatus();
        Set<Reference> references = References.wanted(resource, pods);
        if (status == null || Finished.is(status)) {
            return new Wanted(Set.of(), Set.of(), null, references, false);
        }
        Set<String> warnings = new TreeSet<>();
        Set<String> nodes = new TreeSet<>();
        boolean claim = false;
        boolean told = true;
        Condition standing = StatusDraft.condition(status, "Reconciling");
        for (Job job : jobs) {
            boolean live =
                    Names.owned(job, resource.getMetadata().getUid()) && !StageEnd.finished(job) && !suspended(job);
            String uid = Objects.requireNonNullElse(job.getMetadata().getUid(), "");
            if (live && pods.stream().noneMatch(p -> uid.equals(p.jobUid())) && late(created(job), now)) {
                warnings.add(uid);
                told = told && Startup.standsOfJob(standing, job.getMetadata().getName());
            }
        }
        for (RunPod pod : pods) {
            ContainerView trainer = pod.trainer();
            if (pod.over()) {
                continue;
            }
            if (trainer != null && trainer.running() || pod.deletionTime() != null) {
                RunPod.Said ready = pod.condition("Ready");
                boolean overdue = late(pod.deletionTime(), now) || (ready != null && !ready.holds());
                if (overdue && pod.node() != null) {
                    nodes.add(pod.node());
                }
            } else if (pod.node() != null && late(pod.created(), now)) {
                warnings.add(pod.uid());
                told = told && Startup.stands(standing, pod);
            } else if (pod.node() == null) {
                RunPod.Said scheduled = pod.condition("PodScheduled");
                if (scheduled != null && Startup.aboutClaim(scheduled)) {
                    claim = true;
                    told = told && Startup.stands(standing, pod, scheduled);
                }
            }
        }
        return new Wanted(warnings, nodes, claim ? Names.claim(resource) : null, references, told);
    }

    private static boolean suspended(Job job) {
        return job.getSpec() != null && Boolean.TRUE.equals(job.getSpec().getSuspend());
    }

    private static @Nullable Instant created(HasMetadata object) {
        return Times.parse(object.getMetadata().getCreationTimestamp());
    }

    private static boolean late(@Nullable Instant since, Instant now) {
        return since != null && now.isAfter(since.plus(PATIENCE));
    }
}
