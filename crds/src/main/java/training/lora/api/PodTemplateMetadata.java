package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.util.Map;

/** Labels and annotations of a pod. */
public record PodTemplateMetadata(
        @JsonPropertyDescription("Labels, for example for a cost report. The operator's own can't be changed.")
        @Size(max = 32) Map<String, String> labels,

        @JsonPropertyDescription("Annotations, for example sidecar.istio.io/inject: \"false\".") @Size(max = 32) Map<String, String> annotations) {
    public PodTemplateMetadata {
        labels = labels == null ? Map.of() : Map.copyOf(labels);
        annotations = annotations == null ? Map.of() : Map.copyOf(annotations);
    }
}
