package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.crd.generator.annotation.PreserveUnknownFields;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What a stage's pod gets beside what the operator gives it, in a pod template's form. The CRD has a schema for the
 * fields of {@link #FIELDS} and keeps any other: whether one is allowed is the operator's setting, and it says so.
 */
public record PodTemplate(
        @JsonPropertyDescription("Labels and annotations for the pod.")
        PodTemplateMetadata metadata,

        @JsonPropertyDescription(
                "Fields of a pod's spec, merged as kubectl's strategic merge does it. Those listed here are always allowed; others, such as volumes, where the operator's setting lora.pod-template.allow names them.")
        @PreserveUnknownFields
        Map<String, Object> spec) {

    /** The fields of a pod's spec that everyone may give: where a pod runs, and none by which it gains rights. */
    public static final List<String> FIELDS = List.of(
            "affinity",
            "imagePullSecrets",
            "nodeSelector",
            "priorityClassName",
            "runtimeClassName",
            "schedulerName",
            "tolerations",
            "topologySpreadConstraints");

    public PodTemplate {
        metadata = orDefault(metadata, Defaults.of(PodTemplateMetadata.class));
        Map<String, Object> given = new LinkedHashMap<>(spec == null ? Map.of() : spec);
        given.values().removeIf(Objects::isNull);
        spec = Collections.unmodifiableMap(given);
    }
}
