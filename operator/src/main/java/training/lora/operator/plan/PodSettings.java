package training.lora.operator.plan;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.PodTemplate;
import training.lora.api.ResourcesSpec;
import training.lora.api.Stage;

/**
 * What the platform says of every stage's pod.
 *
 * @param user whom a pod's processes run as; null: left to the image or the cluster, as OpenShift wants it
 * @param group their group; null as above
 * @param fsGroup the group that owns files of volumes; null as above
 * @param imagePullSecrets names of Secrets for pulling the image, in the resource's namespace
 * @param gpuNodeSelector labels of the nodes that have cards, for all stages of a run that asks for one
 * @param allowedPodFields fields of a pod's spec that a pod template may have beside {@link PodTemplate#FIELDS}
 * @param authorities the ConfigMap, in each namespace, by which pods know the operator's certificate; null: what the image
 *     trusts
 * @param captionerSecrets names of the Secrets that the platform's captioner needs, in the resource's namespace
 * @param environment variables of every stage: where a platform's sources and buckets are, and how they are reached
 * @param defaultResources requests and limits where a resource has none
 */
@RecordBuilder
public record PodSettings(
        @Nullable Long user,
        @Nullable Long group,
        @Nullable Long fsGroup,
        @Nullable String authorities,
        List<String> imagePullSecrets,
        Map<String, String> gpuNodeSelector,
        Set<String> allowedPodFields,
        Set<String> captionerSecrets,
        Map<String, String> environment,
        Map<Stage, ResourcesSpec> defaultResources) {
    /** Where pods find the platform's authorities, which are told with those of the operator. */
    public static final String CA_BUNDLE = PodVolumes.AUTHORITIES + "/bundle.crt";

    /** Without any default. */
    static final PodSettings NONE = PodSettingsBuilder.builder()
            .imagePullSecrets(List.of())
            .gpuNodeSelector(Map.of())
            .allowedPodFields(Set.of())
            .captionerSecrets(Set.of())
            .environment(Map.of())
            .defaultResources(Map.of())
            .build();

    public PodSettings {
        imagePullSecrets = List.copyOf(imagePullSecrets);
        gpuNodeSelector = Map.copyOf(gpuNodeSelector);
        allowedPodFields = Set.copyOf(allowedPodFields);
        captionerSecrets = Set.copyOf(captionerSecrets);
        environment = Collections.unmodifiableMap(new TreeMap<>(environment));
        defaultResources = Map.copyOf(defaultResources);
        for (String field : new TreeSet<>(allowedPodFields)) {
            if (!PodTemplates.isAllowable(field)) {
                throw new IllegalArgumentException(
                        "`lora.pod-template.allow` must name fields of a pod's spec other than %s, had \"%s\""
                                .formatted(String.join(", ", new TreeSet<>(PodTemplates.OURS)), field));
            }
        }
    }

    /** Requests and limits where a resource has none for {@code stage}. */
    public ResourcesSpec defaultResources(Stage stage) {
        return defaultResources.getOrDefault(stage, new ResourcesSpec(Map.of(), Map.of()));
    }
}
