package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.util.Map;

/** A container's resources, in Kubernetes' quantities. */
public record ResourcesSpec(
        @JsonPropertyDescription("What the scheduler sets aside, for example {cpu: 2, memory: 8Gi}.") @Size(max = 16) Map<String, String> requests,

        @JsonPropertyDescription("What may not be exceeded, for example {nvidia.com/gpu: 1}.") @Size(max = 16) Map<String, String> limits) {
    public ResourcesSpec {
        requests = requests == null ? Map.of() : Map.copyOf(requests);
        limits = limits == null ? Map.of() : Map.copyOf(limits);
    }
    /** What a quantity looks like, as the API server reads one. */
    static final String QUANTITY = "^[0-9]+(\\.[0-9]+)?([KMGTPE]i|[munkMGTPE]|[eE][0-9]+)?$";
}
