package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import training.lora.local.apiserver.Resource.Column;

/** The resource types that are served: the built-in ones and those of CRDs. */
final class Registry {
    static final String CRDS = "customresourcedefinitions.apiextensions.k8s.io";

    private static final List<Resource> BUILT_IN = List.of(
            Resource.builtIn("v1", "Namespace", "namespaces", List.of("ns"), "Status=.status.phase"),
            Resource.builtIn(
                    "v1",
                    "Pod",
                    "pods",
                    List.of("po"),
                    "Status=.status.phase",
                    "Reason=.status.conditions[?(@.type=='PodScheduled')].reason"),
            Resource.builtIn("v1", "ConfigMap", "configmaps", List.of("cm")),
            Resource.builtIn("v1", "Secret", "secrets", List.of(), "Type=.type"),
            Resource.builtIn("v1", "ServiceAccount", "serviceaccounts", List.of("sa")),
            Resource.builtIn(
                    "v1",
                    "PersistentVolumeClaim",
                    "persistentvolumeclaims",
                    List.of("pvc"),
                    "Status=.status.phase",
                    "Capacity=.spec.resources.requests.storage"),
            Resource.builtIn(
                    "v1",
                    "Event",
                    "events",
                    List.of("ev"),
                    "Type=.type",
                    "Reason=.reason",
                    "Object=.involvedObject.name",
                    "Message=.message"),
            Resource.builtIn(
                    "batch/v1",
                    "Job",
                    "jobs",
                    List.of(),
                    "Complete=.status.conditions[?(@.type=='Complete')].status",
                    "Failed=.status.conditions[?(@.type=='Failed')].status"),
            Resource.builtIn(
                    "apiextensions.k8s.io/v1",
                    "CustomResourceDefinition",
                    "customresourcedefinitions",
                    List.of("crd", "crds")));

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
                .orElseThrow(
                        () -> ApiException.notServed(plural + (group.isEmpty() ? "" : "." + group) + " of " + version));
    }

    /** The type of a stored object. */
    Resource of(ObjectNode object) {
        return all().stream().filter(r -> r.isKindOf(object)).findFirst().orElseThrow();
    }

    /**
     * Serves what a CRD defines.
     *
     * @throws ApiException 422 with every cause: what a real server would refuse too, and what this one does not support
     */
    void register(ObjectNode crd) {
        JsonNode spec = crd.path("spec");
        JsonNode names = spec.path("names");
        JsonNode version = spec.path("versions").path(0);
        JsonNode schema = version.path("schema").path("openAPIV3Schema");
        List<Column> columns = new ArrayList<>();
        for (JsonNode c : version.path("additionalPrinterColumns")) {
            columns.add(new Column(
                    c.path("name").asText(),
                    c.path("type").asText(),
                    c.path("priority").asInt(),
                    new FieldPath(c.path("jsonPath").asText())));
        }
        List<String> causes = new ArrayList<>();
        unsupported(spec, columns, causes);
        CelRules rules = CelRules.compile(schema, causes);
        String name = names.path("plural").asText() + "." + spec.path("group").asText();
        if (!name.equals(Meta.name(crd))) {
            causes.add("metadata.name: must be spec.names.plural+\".\"+spec.group, " + name);
        }
        if (!causes.isEmpty()) {
            throw ApiException.invalid(of(crd), Meta.name(crd), causes);
        }
        custom.put(
                name,
                ResourceBuilder.builder()
                        .group(spec.path("group").asText())
                        .version(version.path("name").asText())
                        .kind(names.path("kind").asText())
                        .plural(names.path("plural").asText())
                        .shortNames(Meta.texts(names.path("shortNames")))
                        .namespaced(true)
                        .columns(columns)
                        .custom(new Resource.Custom(new StructuralSchema(schema), rules))
                        .build());
    }

    private static void unsupported(JsonNode spec, List<Column> columns, List<String> causes) {
        JsonNode versions = spec.path("versions");
        JsonNode subresources = versions.path(0).path("subresources");
        if (versions.size() != 1) {
            causes.add("spec.versions: this embedded API server serves exactly one, was " + versions.size());
        }
        if (!spec.path("scope").asText().equals("Namespaced")) {
            causes.add("spec.scope: this embedded API server knows but Namespaced");
        }
        if (subresources.size() != 1 || !subresources.has("status")) {
            causes.add("spec.versions[0].subresources: this embedded API server needs status, and has no other");
        }
        columns.stream()
                .filter(c -> !c.path().isSupported())
                .forEach(c -> causes.add("spec.versions[0].additionalPrinterColumns: this embedded API server does not"
                        + " know the form of " + c.path().text()));
    }
}
