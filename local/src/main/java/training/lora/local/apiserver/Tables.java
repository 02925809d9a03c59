package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Objects as the {@code meta.k8s.io/v1} Table that {@code kubectl get} prints. */
final class Tables {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final Resource.Column NAME =
            new Resource.Column("Name", "string", 0, new FieldPath(".metadata.name"));
    private static final Resource.Column AGE =
            new Resource.Column("Age", "date", 0, new FieldPath(".metadata.creationTimestamp"));

    private Tables() {}

    static boolean isWanted(Request request) {
        return request.header("Accept").contains("as=Table");
    }

    static ObjectNode of(Resource resource, List<ObjectNode> objects, String version) {
        List<Resource.Column> columns = new ArrayList<>(List.of(NAME));
        columns.addAll(resource.columns());
        if (resource.custom() == null) {
            columns.add(AGE);
        }
        ObjectNode table = NODES.objectNode().put("kind", "Table").put("apiVersion", "meta.k8s.io/v1");
        table.putObject("metadata").put("resourceVersion", version);
        ArrayNode definitions = table.putArray("columnDefinitions");
        for (Resource.Column c : columns) {
            definitions
                    .addObject()
                    .put("name", c.name())
                    .put("type", c.type().equals("date") ? "string" : c.type())
                    .put("priority", c.priority());
        }
        ArrayNode rows = table.putArray("rows");
        for (ObjectNode object : objects) {
            ObjectNode row = rows.addObject();
            ArrayNode cells = row.putArray("cells");
            columns.forEach(c -> cells.add(cell(c, object)));
            row.set("object", object);
        }
        return table;
    }

    private static JsonNode cell(Resource.Column column, ObjectNode object) {
        JsonNode value = column.path().in(object);
        if (value.isMissingNode()) {
            return NODES.nullNode();
        }
        return switch (column.type()) {
            case "date" -> NODES.textNode(age(value.asText()));
            case "string" -> NODES.textNode(value.isValueNode() ? value.asText() : value.toString());
            default -> value;
        };
    }

    private static String age(String timestamp) {
        try {
            Duration age = Duration.between(Instant.parse(timestamp), Instant.now());
            if (age.toMinutes() < 2) {
                return Math.max(0, age.toSeconds()) + "s";
            }
            return age.toHours() < 2 ? age.toMinutes() + "m" : age.toHours() + "h";
        } catch (DateTimeException e) {
            return "<invalid>";
        }
    }
}
