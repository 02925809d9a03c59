package training.lora.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.crdv2.generator.CRDGenerator;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Version;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** The schema of those fields of a pod's spec that a pod template may have, from Fabric8's model of it. */
final class PodSchema {
    private static final Map<String, String> DESCRIPTIONS = Map.of(
            "affinity", "Which nodes are wanted or preferred, and which pods near or far.",
            "imagePullSecrets", "Secrets of this namespace with which the image is pulled.",
            "nodeSelector", "Labels that the node must have.",
            "priorityClassName", "The pod's priority among others.",
            "runtimeClassName", "The container runtime, for example nvidia.",
            "schedulerName", "The scheduler, where it isn't the default one.",
            "tolerations", "Taints of nodes that the pod may run on all the same.",
            "topologySpreadConstraints", "How pods are spread over zones or nodes.");

    private PodSchema() {}

    /** Only to have the generator write a pod's spec. */
    @Group("lora.training")
    @Version("v1")
    static final class Holder extends CustomResource<PodSpec, Void> implements Namespaced {}

    /** {@code spec} with the properties of {@link PodTemplate#FIELDS}; any other stays as it is given. */
    static JsonNode write(JsonNode spec, Path folder) throws IOException {
        Path own = Files.createDirectories(folder.resolve("pod"));
        new CRDGenerator()
                .inOutputDir(own.toFile())
                .customResourceClasses(Holder.class)
                .forCRDVersions("v1")
                .generate();
        JsonNode pod = Json.STRICT_YAML
                .readTree(own.resolve("holders.lora.training-v1.yml").toFile())
                .at("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
        ObjectNode open = Json.MAPPER.createObjectNode();
        open.set("description", spec.get("description"));
        ObjectNode properties = open.putObject("properties");
        for (String field : PodTemplate.FIELDS) {
            ObjectNode schema = properties.putObject(field);
            schema.put("description", DESCRIPTIONS.get(field) + " As in a pod: kubectl explain pod.spec." + field);
            schema.setAll((ObjectNode) pod.get(field));
        }
        return open.put("type", "object").put("x-kubernetes-preserve-unknown-fields", true);
    }
}
