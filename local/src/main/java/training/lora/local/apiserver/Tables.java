package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Objects as the {@code meta.k8s.io/v1} Table that {@code kubectl get} prints. */
final class Tables {
    private record Column(String name, String type, int priority, Function<JsonNode, JsonNode> value) {}

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final Column NAME = new Column("Name", "string", 0, o -> o.at("/metadata/name"));
    private static final Column AGE = new Column(
            "Age", "string", 0, o -> age(o.at("/metadata/creationTimestamp").asText()));

    private Tables() {}

    static boolean isWanted(Request request) {
        return request.header("Accept").contains("as=Table");
    }

    /** @param includeObject None, Metadata (also if empty) or Object */
    static ObjectNode of(Resource resource, List<ObjectNode> objects, String version, String includeObject) {
        List<Column> columns = columns(resource);
        ObjectNode table = NODES.objectNode().put("kind", "Table").put("apiVersion", "meta.k8s.io/v1");
        table.putObject("metadata").put("resourceVersion", version);
        ArrayNode definitions = table.putArray("columnDefinitions");
        for (Column c : columns) {
            definitions
                    .addObject()
                    .put("name", c.name)
                    .put("type", c.type)
                    .put("format", c.name.equals("Name") ? "name" : "")
                    .put("description", "")
                    .put("priority", c.priority);
        }
        ArrayNode rows = table.putArray("rows");
        for (ObjectNode object : objects) {
            ObjectNode row = rows.addObject();
            ArrayNode cells = row.putArray("cells");
            columns.forEach(c -> cells.add(cell(c, object)));
            if (includeObject.equals("Object")) {
                row.set("object", object);
            } else if (!includeObject.equals("None")) {
                ObjectNode partial = row.putObject("object");
                partial.put("kind", "PartialObjectMetadata").put("apiVersion", "meta.k8s.io/v1");
                partial.set("metadata", object.path("metadata"));
            }
        }
        return table;
    }

    private static JsonNode cell(Column column, ObjectNode object) {
        JsonNode value = column.value.apply(object);
        return value.isMissingNode() ? NODES.nullNode() : value;
    }

    private static List<Column> columns(Resource resource) {
        List<Column> columns = new ArrayList<>();
        columns.add(NAME);
        if (resource.custom() != null && !resource.custom().columns().isEmpty()) {
            resource.custom().columns().forEach(c -> columns.add(declared(c)));
            return columns;
        }
        switch (resource.qualifiedName()) {
            case "pods" -> {
                columns.add(new Column("Ready", "string", 0, Tables::readyContainers));
                columns.add(new Column("Status", "string", 0, Tables::podStatus));
                columns.add(new Column("Restarts", "integer", 0, o -> NODES.numberNode(0)));
            }
            case "jobs.batch" -> {
                columns.add(new Column("Status", "string", 0, Tables::jobStatus));
                columns.add(new Column("Completions", "string", 0, Tables::completions));
                columns.add(new Column("Duration", "string", 0, Tables::duration));
            }
            case "namespaces" -> columns.add(at("Status", "/status/phase"));
            case "persistentvolumeclaims" -> {
                columns.add(at("Status", "/status/phase"));
                columns.add(at("Capacity", "/spec/resources/requests/storage"));
            }
            case "configmaps", "secrets" ->
                columns.add(new Column(
                        "Data",
                        "integer",
                        0,
                        o -> NODES.numberNode(o.path("data").size())));
            case "events", "events.events.k8s.io" -> {
                columns.set(0, at("Type", "/type"));
                columns.add(at("Reason", "/reason"));
                columns.add(new Column("Object", "string", 0, Tables::involved));
                columns.add(at("Message", "/message"));
            }
            default -> {}
        }
        columns.add(AGE);
        return columns;
    }

    private static Column at(String name, String pointer) {
        return new Column(name, "string", 0, o -> o.at(pointer));
    }

    private static Column declared(JsonNode column) {
        String type = column.path("type").asText();
        String path = column.path("jsonPath").asText();
        return new Column(
                column.path("name").asText(),
                type.equals("date") ? "string" : type,
                column.path("priority").asInt(),
                o -> {
                    JsonNode value = JsonPaths.first(o, path);
                    return switch (type) {
                        case "date" -> value.isTextual() ? age(value.asText()) : NODES.nullNode();
                        case "string" ->
                            value.isMissingNode() || value.isTextual()
                                    ? value
                                    : NODES.textNode(value.isValueNode() ? value.asText() : value.toString());
                        default -> value;
                    };
                });
    }

    private static JsonNode readyContainers(JsonNode pod) {
        int ready = 0;
        for (JsonNode status : pod.at("/status/containerStatuses")) {
            ready += status.path("ready").asBoolean() ? 1 : 0;
        }
        return NODES.textNode(ready + "/" + pod.at("/spec/containers").size());
    }

    private static JsonNode podStatus(JsonNode pod) {
        if (pod.path("metadata").has("deletionTimestamp")) {
            return NODES.textNode("Terminating");
        }
        String phase = pod.at("/status/phase").asText();
        JsonNode container = pod.at("/status/containerStatuses/0/state");
        String reason = container
                .at("/terminated/reason")
                .asText(container.at("/waiting/reason").asText(""));
        return NODES.textNode(!reason.isEmpty() ? reason : phase.equals("Succeeded") ? "Completed" : phase);
    }

    private static JsonNode jobStatus(JsonNode job) {
        for (String type : List.of("Complete", "Failed", "Suspended")) {
            for (JsonNode condition : job.at("/status/conditions")) {
                if (condition.path("type").asText().equals(type)
                        && condition.path("status").asText().equals("True")) {
                    return NODES.textNode(type);
                }
            }
        }
        return NODES.textNode(job.path("metadata").has("deletionTimestamp") ? "Terminating" : "Running");
    }

    private static JsonNode completions(JsonNode job) {
        return NODES.textNode(job.at("/status/succeeded").asInt() + "/"
                + job.at("/spec/completions").asInt(1));
    }

    private static JsonNode duration(JsonNode job) {
        String start = job.at("/status/startTime").asText("");
        String end = job.at("/status/completionTime").asText("");
        if (start.isEmpty()) {
            return NODES.textNode("");
        }
        Instant until = end.isEmpty() ? Instant.now() : Instant.parse(end);
        return NODES.textNode(human(Duration.between(Instant.parse(start), until)));
    }

    private static JsonNode involved(JsonNode event) {
        JsonNode object = event.has("regarding") ? event.path("regarding") : event.path("involvedObject");
        return NODES.textNode(object.path("kind").asText().toLowerCase(java.util.Locale.ROOT) + "/"
                + object.path("name").asText());
    }

    private static JsonNode age(String timestamp) {
        try {
            return NODES.textNode(human(Duration.between(Instant.parse(timestamp), Instant.now())));
        } catch (DateTimeParseException e) {
            return NODES.textNode("<invalid>");
        }
    }

    /** As kubectl does: 90s, 5m30s, 12m, 3h20m, 2d. */
    static String human(Duration duration) {
        long seconds = Math.max(0, duration.toSeconds());
        long minutes = seconds / 60;
        long hours = minutes / 60;
        if (seconds < 120) {
            return seconds + "s";
        }
        if (minutes < 10) {
            return minutes + "m" + (seconds % 60 == 0 ? "" : seconds % 60 + "s");
        }
        if (hours < 3) {
            return minutes + "m";
        }
        if (hours < 8) {
            return hours + "h" + (minutes % 60 == 0 ? "" : minutes % 60 + "m");
        }
        return hours < 48 ? hours + "h" : hours / 24 + "d" + (hours >= 192 || hours % 24 == 0 ? "" : hours % 24 + "h");
    }
}
