package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What was read after the resource was. Jobs and pods are always read; the rest only where {@link Wanted} names it.
 *
 * @param jobs all that bear the resource's name as a label, whoever owns them
 * @param pods all that bear the resource's name as a label, whoever owns them
 * @param warnings of the objects that Wanted names
 * @param nodesReady by the name of each node that Wanted names and that may be read; false also where it is gone
 * @param claim the workspace's claim, if Wanted names it
 * @param references whether trainings may use what the spec names, for what Wanted names
 * @param why whether the warnings and the claim that Wanted names were read now; else what the status says of them stands
 */
@RecordBuilder
public record Observed(
        List<Job> jobs,
        List<RunPod> pods,
        List<Warning> warnings,
        Map<String, Boolean> nodesReady,
        @Nullable ClaimView claim,
        Map<Reference, ReferenceView> references,
        boolean why) {
    public Observed {
        jobs = List.copyOf(jobs);
        pods = List.copyOf(pods);
        warnings = List.copyOf(warnings);
        nodesReady = Map.copyOf(nodesReady);
        references = Map.copyOf(references);
    }

    /** With nothing but these. */
    public static Observed of(List<Job> jobs, List<RunPod> pods) {
        return new Observed(jobs, pods, List.of(), Map.of(), null, Map.of(), false);
    }

    @Nullable Job job(String name) {
        return jobs.stream()
                .filter(j -> name.equals(j.getMetadata().getName()))
                .findFirst()
                .orElse(null);
    }

    /** Whether the pod's node is ready; null if the pod has none, or nothing is known of it. */
    @Nullable Boolean nodeReady(RunPod pod) {
        return pod.node() == null ? null : nodesReady.get(pod.node());
    }
}
