package training.lora.local.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A LoraTraining from a file, made fit for a cluster: a plain path, which only this machine knows, becomes a claim on its
 * folder.
 *
 * @param resource the resource
 * @param claims the claims that it needs
 * @param base its base model, as the command line of the trainer takes it
 */
record Training(GenericKubernetesResource resource, List<PersistentVolumeClaim> claims, String base) {
    static Training read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new DemoException("FILE must be a LoraTraining in YAML, but there is none at " + file);
        }
        JsonNode tree = new YAMLMapper().readTree(file.toFile());
        if (!(tree instanceof ObjectNode resource)
                || !tree.path("kind").asText().equals("LoraTraining")) {
            throw new DemoException(file + " must hold one resource of kind LoraTraining, was "
                    + tree.path("kind").asText("nothing of a kind"));
        }
        Path folder = file.toAbsolutePath().resolveSibling(".").normalize();
        String uri = resource.at("/spec/baseModel/uri").asText();
        String base = uri.contains("://") ? uri : folder.resolve(uri).toString();
        List<PersistentVolumeClaim> claims = new ArrayList<>();
        String name = resource.at("/metadata/name").asText();
        replace(resource.at("/spec/baseModel"), folder, name + "-base-model", claims);
        replace(resource.at("/spec/baseModel/vae"), folder, name + "-vae", claims);
        replace(resource.at("/spec/evaluation/clip"), folder, name + "-clip", claims);
        replace(resource.at("/spec/training/initFrom"), folder, name + "-init-from", claims);
        for (JsonNode dataset : resource.at("/spec/datasets")) {
            String of = dataset.path("name").asText("main").toLowerCase(Locale.ROOT);
            replace(dataset, folder, name + "-dataset-" + of, claims);
        }
        return new Training(
                Serialization.unmarshal(resource.toString(), GenericKubernetesResource.class), claims, base);
    }

    private static void replace(JsonNode source, Path folder, String claim, List<PersistentVolumeClaim> claims) {
        String uri = source.path("uri").asText();
        if (uri.isEmpty() || uri.contains("://")) {
            return;
        }
        Path path = folder.resolve(uri).normalize();
        if (!Files.exists(path)) {
            throw new DemoException("`uri` " + uri + " must name a folder or file, but there is none at " + path);
        }
        boolean isFolder = Files.isDirectory(path);
        claims.add(new PersistentVolumeClaimBuilder()
                .withNewMetadata()
                .withName(claim)
                .withNamespace("default")
                .withAnnotations(Map.of(
                        "local.lora.training/folder", isFolder ? path.toString() : String.valueOf(path.getParent())))
                .endMetadata()
                .withNewSpec()
                .withAccessModes("ReadOnlyMany")
                .withNewResources()
                .addToRequests("storage", new Quantity("1Gi"))
                .endResources()
                .endSpec()
                .build());
        ((ObjectNode) source).put("uri", "pvc://" + claim + (isFolder ? "" : "/" + path.getFileName()));
    }

    String name() {
        return resource.getMetadata().getName();
    }

    /** Creates it with its claims, or brings what is there up to date. */
    void apply(KubernetesClient client) {
        claims.forEach(c -> client.resource(c).createOr(NonDeletingOperation::update));
        client.resource(resource).inNamespace("default").createOr(NonDeletingOperation::update);
    }
}
