package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One served resource type.
 *
 * @param group empty for the core group
 * @param columns what {@code kubectl get} shows beside name and age
 * @param custom what its CRD says; null for built-in kinds, whose schema is not checked
 */
@RecordBuilder
record Resource(
        String group,
        String version,
        String kind,
        String plural,
        List<String> shortNames,
        boolean namespaced,
        List<Column> columns,
        @Nullable Custom custom) {

    /** The checked parts of a CRD: its schema and its rules. */
    record Custom(StructuralSchema schema, CelRules rules) {}

    /** A printer column; only those of priority 0 are shown without {@code -o wide}. */
    record Column(String name, String type, int priority, FieldPath path) {}

    /** @param columns a name and a path each */
    static Resource builtIn(String apiVersion, String kind, String plural, List<String> shortNames, String... columns) {
        int slash = apiVersion.indexOf('/');
        return ResourceBuilder.builder()
                .group(slash < 0 ? "" : apiVersion.substring(0, slash))
                .version(apiVersion.substring(slash + 1))
                .kind(kind)
                .plural(plural)
                .shortNames(shortNames)
                .namespaced(!kind.equals("Namespace") && !kind.equals("CustomResourceDefinition"))
                .columns(List.of(columns).stream()
                        .map(c -> c.split("=", 2))
                        .map(c -> new Column(c[0], "string", 0, new FieldPath(c[1])))
                        .toList())
                .build();
    }

    String apiVersion() {
        return group.isEmpty() ? version : group + "/" + version;
    }

    String singular() {
        return kind.toLowerCase(Locale.ROOT);
    }

    /** As messages name it and objects are kept: {@code jobs.batch}. */
    String qualifiedName() {
        return group.isEmpty() ? plural : plural + "." + group;
    }

    boolean is(String groupAndPlural) {
        return qualifiedName().equals(groupAndPlural);
    }

    boolean isKindOf(ObjectNode object) {
        return apiVersion().equals(object.path("apiVersion").asText())
                && kind.equals(object.path("kind").asText());
    }

    Store.Key key(ObjectNode object) {
        return new Store.Key(qualifiedName(), Meta.namespace(object), Meta.name(object));
    }

    /** The schema of its CRD, or a missing node. */
    JsonNode schema() {
        return custom == null ? MissingNode.getInstance() : custom.schema.root();
    }
}
