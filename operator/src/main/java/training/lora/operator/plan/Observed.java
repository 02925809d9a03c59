package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What was read after the resource was: all Jobs that bear its name, and how the pods of finished ones ended.
 *
 * @param jobs the Jobs, whoever owns them
 * @param results by the Job's name; absent where no pod is left
 */
public record Observed(List<Job> jobs, Map<String, PodResult> results) {
    public Observed {
        jobs = List.copyOf(jobs);
        results = Map.copyOf(results);
    }

    @Nullable Job job(String name) {
        return jobs.stream()
                .filter(j -> name.equals(j.getMetadata().getName()))
                .findFirst()
                .orElse(null);
    }
}
