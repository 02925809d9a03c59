package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** What is served, as clients ask for it: groups, versions, resources, the server's version. */
final class Discovery {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final List<String> VERBS =
            List.of("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch");
    // Types that are asked by POST and not kept.
    private static final Map<String, Map<String, String>> REVIEWS = Map.of(
            "authentication.k8s.io/v1",
            Map.of("tokenreviews", "TokenReview", "selfsubjectreviews", "SelfSubjectReview"),
            "authorization.k8s.io/v1",
            Map.of("selfsubjectaccessreviews", "SelfSubjectAccessReview"));

    private final Registry registry;

    Discovery(Registry registry) {
        this.registry = registry;
    }

    static ObjectNode version() {
        return NODES.objectNode()
                .put("major", "1")
                .put("minor", "34")
                .put("gitVersion", "v1.34.4+lora-local")
                .put("gitCommit", "")
                .put("gitTreeState", "clean")
                .put("buildDate", "1970-01-01T00:00:00Z")
                .put("goVersion", "none")
                .put("compiler", "javac")
                .put("platform", "linux/amd64");
    }

    static ObjectNode coreVersions() {
        ObjectNode versions = NODES.objectNode().put("kind", "APIVersions");
        versions.putArray("versions").add("v1");
        versions.putArray("serverAddressByClientCIDRs");
        return versions;
    }

    /** Versions by group, without the core group. */
    private Map<String, TreeSet<String>> groupVersions() {
        Map<String, TreeSet<String>> groups = new TreeMap<>();
        REVIEWS.keySet().forEach(gv -> groups.computeIfAbsent(gv.split("/", -1)[0], k -> new TreeSet<>())
                .add("v1"));
        registry.all().stream().filter(r -> !r.group().isEmpty()).forEach(r -> groups.computeIfAbsent(
                        r.group(), k -> new TreeSet<>())
                .add(r.version()));
        return groups;
    }

    ObjectNode groups() {
        ObjectNode list = NODES.objectNode().put("kind", "APIGroupList").put("apiVersion", "v1");
        ArrayNode groups = list.putArray("groups");
        groupVersions().forEach((group, versions) -> groups.add(describe(group, versions)));
        return list;
    }

    ObjectNode group(String group) {
        TreeSet<String> versions = groupVersions().get(group);
        if (versions == null) {
            throw ApiException.notFound("the server could not find the requested resource (no group " + group + ")");
        }
        return describe(group, versions).put("kind", "APIGroup").put("apiVersion", "v1");
    }

    private static ObjectNode describe(String group, TreeSet<String> versions) {
        ObjectNode described = NODES.objectNode().put("name", group);
        ArrayNode all = described.putArray("versions");
        for (String version : versions) {
            all.addObject().put("groupVersion", group + "/" + version).put("version", version);
        }
        described.set("preferredVersion", all.get(0));
        return described;
    }

    JsonNode resources(String groupVersion) {
        ObjectNode list = NODES.objectNode()
                .put("kind", "APIResourceList")
                .put("apiVersion", "v1")
                .put("groupVersion", groupVersion);
        ArrayNode resources = list.putArray("resources");
        REVIEWS.getOrDefault(groupVersion, Map.of())
                .forEach((plural, kind) -> entry(resources, plural, kind, false, List.of("create")));
        for (Resource r : registry.all()) {
            if (!r.apiVersion().equals(groupVersion)) {
                continue;
            }
            ObjectNode entry = entry(resources, r.plural(), r.kind(), r.namespaced(), VERBS);
            entry.put("singularName", r.singular());
            ArrayNode shortNames = entry.putArray("shortNames");
            r.shortNames().forEach(shortNames::add);
            if (r.statusSubresource()) {
                entry(resources, r.plural() + "/status", r.kind(), r.namespaced(), List.of("get", "patch", "update"));
            }
            if (r.is("pods")) {
                entry(resources, "pods/log", "Pod", true, List.of("get"));
            }
            if (r.is("serviceaccounts")) {
                entry(resources, "serviceaccounts/token", "TokenRequest", true, List.of("create"))
                        .put("group", "authentication.k8s.io")
                        .put("version", "v1");
            }
        }
        if (resources.isEmpty()) {
            throw ApiException.notFound(
                    "the server could not find the requested resource (" + groupVersion + " is not served)");
        }
        return list;
    }

    private static ObjectNode entry(
            ArrayNode resources, String name, String kind, boolean namespaced, List<String> verbs) {
        ObjectNode entry = resources
                .addObject()
                .put("name", name)
                .put("singularName", "")
                .put("namespaced", namespaced)
                .put("kind", kind);
        ArrayNode all = entry.putArray("verbs");
        verbs.forEach(all::add);
        return entry;
    }
}
