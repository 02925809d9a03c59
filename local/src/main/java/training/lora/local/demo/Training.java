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
        new Places(folder, name, claims).replace(resource.path("spec"), "");
        return new Training(
                Serialization.unmarshal(resource.toString(), GenericKubernetesResource.class), claims, base);
    }

    /**
     * Puts claims in the place of plain paths.
     *
     * @param folder that paths start from
     * @param name of the training
     * @param claims takes those that are needed
     */
    private record Places(Path folder, String name, List<PersistentVolumeClaim> claims) {
        /** @param field that has {@code node}; of an entry of a list its name too */
        void replace(JsonNode node, String field) {
            if (node instanceof ObjectNode object
                    && object.path("uri").isTextual()
                    && !object.path("uri").asText().contains("://")) {
                put(object, field);
            }
            node.fields().forEachRemaining(child -> replace(child.getValue(), kebab(child.getKey())));
            if (node.isArray()) {
                String one = field.replaceFirst("s$", "");
                node.forEach(entry -> replace(
                        entry, one + "-" + entry.path("name").asText("main").toLowerCase(Locale.ROOT)));
            }
        }

        private static String kebab(String field) {
            return field.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
        }

        private void put(ObjectNode place, String field) {
            String uri = place.path("uri").asText();
            Path path = folder.resolve(uri).normalize();
            boolean output = field.equals("output");
            if (output && !Files.exists(path)) {
                try {
                    Files.createDirectories(path);
                } catch (IOException e) {
                    throw new DemoException("`spec.output.uri` " + uri + " must be a folder that can be made: " + e);
                }
            }
            if (!Files.exists(path) || (output && !Files.isDirectory(path))) {
                throw new DemoException("`uri` %s must name a folder%s, but there is none at %s"
                        .formatted(uri, output ? "" : " or file", path));
            }
            boolean isFolder = Files.isDirectory(path);
            String claim = name + "-" + field;
            for (int i = 2; has(claim); i++) {
                claim = "%s-%s-%d".formatted(name, field, i);
            }
            claims.add(new PersistentVolumeClaimBuilder()
                    .withNewMetadata()
                    .withName(claim)
                    .withNamespace("default")
                    .withAnnotations(Map.of(
                            "local.lora.training/folder",
                            isFolder ? path.toString() : String.valueOf(path.getParent())))
                    .endMetadata()
                    .withNewSpec()
                    .withAccessModes(output ? "ReadWriteMany" : "ReadOnlyMany")
                    .withNewResources()
                    .addToRequests("storage", new Quantity("1Gi"))
                    .endResources()
                    .endSpec()
                    .build());
            place.put("uri", "pvc://" + claim + (isFolder ? "" : "/" + path.getFileName()));
        }

        private boolean has(String claim) {
            return claims.stream().anyMatch(c -> c.getMetadata().getName().equals(claim));
        }
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
