package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** What is served, as clients ask for it: groups, versions, resources, the server's version. */
final class Discovery {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final List<String> VERBS = List.of("create", "delete", "get", "list", "patch", "update", "watch");

    private final Registry registry;

    Discovery(Registry registry) {
        this.registry = registry;
    }

    static ObjectNode version() {
        return NODES.objectNode()
                .put("major", "1")
                .put("minor", "34")
                .put("gitVersion", "v1.34.4+lora-local")
                .put("platform", "linux/amd64");
    }

    static ObjectNode coreVersions() {
        ObjectNode versions = NODES.objectNode().put("kind", "APIVersions");
        versions.putArray("versions").add("v1");
        return versions;
    }

    /** Each group but the core's has one version here. */
    ObjectNode groups() {
        ObjectNode list = NODES.objectNode().put("kind", "APIGroupList").put("apiVersion", "v1");
        ArrayNode groups = list.putArray("groups");
        registry.all().stream()
                .filter(r -> !r.group().isEmpty())
                .map(Resource::apiVersion)
                .distinct()
                .forEach(apiVersion -> groups.add(group(apiVersion)));
        return list;
    }

    private static ObjectNode group(String apiVersion) {
        String[] parts = apiVersion.split("/", 2);
        ObjectNode group = NODES.objectNode().put("name", parts[0]);
        group.putArray("versions").addObject().put("groupVersion", apiVersion).put("version", parts[1]);
        group.set("preferredVersion", group.path("versions").get(0));
        return group;
    }

    JsonNode resources(String apiVersion) {
        ObjectNode list = NODES.objectNode()
                .put("kind", "APIResourceList")
                .put("apiVersion", "v1")
                .put("groupVersion", apiVersion);
        ArrayNode resources = list.putArray("resources");
        for (Resource r : registry.all()) {
            if (r.apiVersion().equals(apiVersion)) {
                entry(resources, r, r.plural(), VERBS).set("shortNames", Request.JSON.valueToTree(r.shortNames()));
                entry(resources, r, r.plural() + "/status", List.of("get", "patch", "update"));
            }
        }
        if (resources.isEmpty()) {
            throw ApiException.notServed(apiVersion);
        }
        return list;
    }

    private static ObjectNode entry(ArrayNode resources, Resource r, String name, List<String> verbs) {
        ObjectNode entry = resources
                .addObject()
                .put("name", name)
                .put("singularName", r.singular())
                .put("namespaced", r.namespaced())
                .put("kind", r.kind());
        return entry.set("verbs", Request.JSON.valueToTree(verbs));
    }
}
