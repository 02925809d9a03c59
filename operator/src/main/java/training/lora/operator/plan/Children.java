package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import java.util.List;
import java.util.Map;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.Owner;
import training.lora.api.Retention;
import training.lora.api.RunSpec;
import training.lora.api.WorkspaceSpec;

/** What a run has beside its Jobs: the workspace and the file that its trainers read. */
final class Children {
    private Children() {}

    static PersistentVolumeClaim workspace(LoraTraining resource, String runId) {
        WorkspaceSpec workspace = resource.getSpec().runtime().workspace();
        ObjectMeta metadata = metadata(resource, runId, Names.claim(resource));
        if (workspace.retention() == Retention.Retain) {
            // What has no owner is not collected with it.
            metadata.setOwnerReferences(List.of());
        }
        String asked = workspace.size() + " " + workspace.storageClassName();
        metadata.setAnnotations(Map.of(Changes.HASH, Changes.hash(asked)));
        return new PersistentVolumeClaimBuilder()
                .withMetadata(metadata)
                .withNewSpec()
                .withAccessModes("ReadWriteOnce")
                .withStorageClassName(workspace.storageClassName())
                .withNewResources()
                .withRequests(Map.of("storage", new Quantity(workspace.size())))
                .endResources()
                .endSpec()
                .build();
    }

    static ConfigMap runSpec(LoraTraining resource, String runId) {
        String namespace = resource.getMetadata().getNamespace();
        String name = resource.getMetadata().getName();
        // Not RunSpec.of: a newer operator's new default would give a begun run another id.
        RunSpec run = new RunSpec(RunSpec.VERSION, new Owner(namespace, name), runId, resource.getSpec());
        try {
            return new ConfigMapBuilder()
                    .withMetadata(metadata(resource, runId, Names.runSpec(resource, runId)))
                    .withImmutable(true)
                    .addToData("run.json", Json.PRETTY.writeValueAsString(run))
                    .build();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ObjectMeta metadata(LoraTraining resource, String runId, String name) {
        return new ObjectMetaBuilder()
                .withName(name)
                .withNamespace(resource.getMetadata().getNamespace())
                .withLabels(Names.labels(resource, runId))
                .withOwnerReferences(Names.owner(resource))
                .build();
    }
}
