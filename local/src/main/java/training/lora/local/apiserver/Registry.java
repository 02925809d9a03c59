package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import training.lora.local.apiserver.ApiException.Cause;

/** The resource types that are served: the built-in ones and those of CRDs. */
final class Registry {
    static final String CRDS = "customresourcedefinitions.apiextensions.k8s.io";

    private static final List<Resource> BUILT_IN = List.of(
            Resource.builtIn("v1", "Namespace", "namespaces", false, true, "ns"),
            Resource.builtIn("v1", "Pod", "pods", true, true, "po"),
            Resource.builtIn("v1", "ConfigMap", "configmaps", true, false, "cm"),
            Resource.builtIn("v1", "Secret", "secrets", true, false),
            Resource.builtIn("v1", "ServiceAccount", "serviceaccounts", true, false, "sa"),
            Resource.builtIn("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, true, "pvc"),
            Resource.builtIn("v1", "Service", "services", true, true, "svc"),
            Resource.builtIn("v1", "Event", "events", true, false, "ev"),
            Resource.builtIn("events.k8s.io/v1", "Event", "events", true, false, "ev"),
            Resource.builtIn("batch/v1", "Job", "jobs", true, true),
            Resource.builtIn("coordination.k8s.io/v1", "Lease", "leases", true, false),
            Resource.builtIn(
                    "apiextensions.k8s.io/v1",
                    "CustomResourceDefinition",
                    "customresourcedefinitions",
                    false,
                    true,
                    "crd",
                    "crds"));

    private final Map<String, Resource> custom = new ConcurrentHashMap<>();

    List<Resource> all() {
        return Stream.concat(BUILT_IN.stream(), custom.values().stream()).toList();
    }

    /** @throws ApiException 404 if nothing is served there */
    Resource find(String group, String version, String plural) {
        return all().stream()
                .filter(r -> r.group().equals(group)
                        && r.version().equals(version)
                        && r.plural().equals(plural))
                .findFirst()
                .orElseThrow(() -> ApiException.notFound("the server could not find the requested resource (" + plural
                        + (group.isEmpty() ? "" : "." + group) + "/" + version
                        + " is not served by this embedded API server)"));
    }

    Resource byStorageKey(String key) {
        return all().stream()
                .filter(r -> r.storageKey().equals(key))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no resource type is stored as " + key));
    }

    void unregister(ObjectNode crd) {
        custom.remove(crd.path("metadata").path("name").asText());
    }

    void register(ObjectNode crd) {
        Resource resource = customResource(crd);
        custom.put(resource.qualifiedName(), resource);
    }

    /**
     * Compiles a CRD.
     *
     * @throws ApiException 422 with every cause: what a real server would refuse too, and what this one does not support
     */
    Resource customResource(ObjectNode crd) {
        JsonNode spec = crd.path("spec");
        List<Cause> causes = new ArrayList<>();
        String expected = spec.path("names").path("plural").asText() + "."
                + spec.path("group").asText();
        String name = crd.path("metadata").path("name").asText();
        if (!name.equals(expected)) {
            causes.add(new Cause(
                    "metadata.name",
                    "FieldValueInvalid",
                    "Invalid value: \"" + name + "\": must be spec.names.plural+\".\"+spec.group"));
        }
        unsupported(spec, causes);
        JsonNode version = spec.path("versions").path(0);
        JsonNode schema = version.path("schema").path("openAPIV3Schema");
        if (!schema.path("type").asText().equals("object")) {
            causes.add(new Cause(
                    "spec.validation.openAPIV3Schema.type",
                    "FieldValueInvalid",
                    "Invalid value: " + schema.path("type") + ": must be object at the root"));
        }
        CelRules rules = CelRules.compile(schema, "spec.validation.openAPIV3Schema", causes);
        if (!causes.isEmpty()) {
            throw ApiException.invalid(find("apiextensions.k8s.io", "v1", "customresourcedefinitions"), name, causes);
        }
        JsonNode names = spec.path("names");
        List<JsonNode> columns = new ArrayList<>();
        version.path("additionalPrinterColumns").forEach(columns::add);
        return ResourceBuilder.builder()
                .group(spec.path("group").asText())
                .version(version.path("name").asText())
                .kind(names.path("kind").asText())
                .plural(names.path("plural").asText())
                .singular(names.path("singular").asText())
                .shortNames(StreamSupport.stream(names.path("shortNames").spliterator(), false)
                        .map(JsonNode::asText)
                        .toList())
                .namespaced(spec.path("scope").asText().equals("Namespaced"))
                .statusSubresource(version.path("subresources").has("status"))
                .custom(new Resource.Custom(new StructuralSchema(schema), rules, columns, schema))
                .build();
    }

    private static void unsupported(JsonNode spec, List<Cause> causes) {
        if (spec.path("versions").size() != 1) {
            causes.add(new Cause(
                    "spec.versions",
                    "FieldValueNotSupported",
                    "Unsupported value: this embedded API server serves exactly one version, was "
                            + spec.path("versions").size()));
        }
        if (spec.path("versions").path(0).path("subresources").has("scale")) {
            causes.add(new Cause(
                    "spec.versions[0].subresources.scale",
                    "FieldValueNotSupported",
                    "Unsupported value: this embedded API server has no scale subresource"));
        }
        if (spec.path("conversion").path("strategy").asText("None").equals("Webhook")) {
            causes.add(new Cause(
                    "spec.conversion.strategy",
                    "FieldValueNotSupported",
                    "Unsupported value: \"Webhook\": this embedded API server calls no webhooks"));
        }
    }
}
