package training.lora.api;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** docs/fields.md: each field of a spec with its type, its default and what it means, from the CRD. */
final class FieldTable {
    private final StringBuilder text = new StringBuilder();

    private FieldTable() {}

    static String of(JsonNode crd) {
        FieldTable table = new FieldTable();
        table.text.append("""
                # Every field of a LoraTraining's spec

                Generated from the CRD; `mvn -pl crds test -Dcrd.update=true` writes it anew. `kubectl explain loratraining.spec` says the same.
                """);
        JsonNode spec = crd.at("/spec/versions/0/schema/openAPIV3Schema/properties/spec");
        List<String> single = new ArrayList<>();
        spec.get("properties").fieldNames().forEachRemaining(single::add);
        table.section(
                "spec",
                spec,
                single.stream()
                        .filter(f -> !hasFields(spec.at("/properties/" + f)))
                        .toList());
        for (String field : single) {
            JsonNode schema = spec.at("/properties/" + field);
            if (hasFields(schema)) {
                JsonNode object = schema.has("items") ? schema.get("items") : schema;
                List<String> all = new ArrayList<>();
                object.get("properties").fieldNames().forEachRemaining(all::add);
                table.text
                        .append("\n## ")
                        .append(field)
                        .append("\n")
                        .append(schema.path("description").asText())
                        .append("\n\n");
                table.head();
                table.rows(field + (schema.has("items") ? "[]" : "") + ".", object, all);
            }
        }
        return table.text.toString();
    }

    private void section(String title, JsonNode object, List<String> fields) {
        text.append("\n## ").append(title).append("\n\n");
        head();
        rows("", object, fields);
    }

    private void head() {
        text.append("| field | type | default | |\n|---|---|---|---|\n");
    }

    private void rows(String path, JsonNode object, List<String> fields) {
        for (String field : fields) {
            JsonNode schema = object.at("/properties/" + field);
            boolean required = StreamSupport.stream(object.path("required").spliterator(), false)
                    .anyMatch(r -> r.asText().equals(field));
            JsonNode fallback = schema.path("default");
            text.append("| `%s%s` | %s | %s | %s |\n"
                    .formatted(
                            path,
                            field,
                            type(schema),
                            required
                                    ? "required"
                                    : fallback.isValueNode()
                                                    && !fallback.asText().isEmpty()
                                            ? "`" + fallback.asText() + "`"
                                            : "",
                            schema.path("description")
                                    .asText()
                                    .replace("|", "\\|")
                                    .replace("<", "&lt;")));
            // A pod's own fields are Kubernetes' to explain.
            if (hasFields(schema) && !path.contains("podTemplate.spec")) {
                JsonNode inner = schema.has("items") ? schema.get("items") : schema;
                List<String> all = new ArrayList<>();
                inner.get("properties").fieldNames().forEachRemaining(all::add);
                rows(path + field + (schema.has("items") ? "[]" : "") + ".", inner, all);
            }
        }
    }

    private static boolean hasFields(JsonNode schema) {
        return schema.has("properties") || schema.path("items").has("properties");
    }

    private static String type(JsonNode schema) {
        if (schema.has("enum")) {
            return StreamSupport.stream(schema.get("enum").spliterator(), false)
                    .map(JsonNode::asText)
                    .collect(Collectors.joining(", "));
        }
        String type = schema.path("type").asText();
        return type.equals("array") ? "list" : schema.has("additionalProperties") ? "map" : type;
    }
}
