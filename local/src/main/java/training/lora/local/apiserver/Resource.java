package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One served resource type.
 *
 * @param group empty for the core group
 * @param statusSubresource whether status is written through {@code /status} only
 * @param custom what its CRD says; null for built-in kinds, whose schema is not checked
 */
@RecordBuilder
record Resource(
        String group,
        String version,
        String kind,
        String plural,
        String singular,
        List<String> shortNames,
        boolean namespaced,
        boolean statusSubresource,
        @Nullable Custom custom) {

    /** The checked parts of a CRD: its schema, its rules, its printer columns. */
    record Custom(StructuralSchema schema, CelRules rules, List<JsonNode> columns, JsonNode openApiSchema) {}

    static Resource builtIn(
            String groupVersion, String kind, String plural, boolean namespaced, boolean status, String... shortNames) {
        int slash = groupVersion.indexOf('/');
        return ResourceBuilder.builder()
                .group(slash < 0 ? "" : groupVersion.substring(0, slash))
                .version(groupVersion.substring(slash + 1))
                .kind(kind)
                .plural(plural)
                .singular(kind.toLowerCase(java.util.Locale.ROOT))
                .shortNames(List.of(shortNames))
                .namespaced(namespaced)
                .statusSubresource(status)
                .build();
    }

    String apiVersion() {
        return group.isEmpty() ? version : group + "/" + version;
    }

    /** As messages name it: {@code jobs.batch}. */
    String qualifiedName() {
        return group.isEmpty() ? plural : plural + "." + group;
    }

    /** Where its objects are kept: the events of both groups are one set. */
    String storageKey() {
        return plural.equals("events") ? "events" : qualifiedName();
    }

    boolean is(String groupAndPlural) {
        return qualifiedName().equals(groupAndPlural);
    }

    boolean isKindOf(ObjectNode object) {
        return apiVersion().equals(object.path("apiVersion").asText())
                && kind.equals(object.path("kind").asText());
    }
}
