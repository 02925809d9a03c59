package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import training.lora.api.Json;

/** A LoraTraining as it is put together, with the options that its fields came from. */
final class Draft {
    private static final int LONGEST_NAME = 50;

    private final ObjectNode root = Json.MAPPER.createObjectNode();
    private final ObjectNode spec;
    private final String written;
    private final Map<String, String> origins = new LinkedHashMap<>();

    Draft(String name) {
        root.put("apiVersion", "lora.training/v1alpha1").put("kind", "LoraTraining");
        written = name;
        root.putObject("metadata").put("name", name(name, LONGEST_NAME));
        spec = root.putObject("spec");
    }

    /** {@code text} as the name of a resource: small letters, digits and hyphens; "training" where nothing is left of it. */
    static String name(String text, int longest) {
        String name =
                text.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceAll("^-+", "");
        name = name.substring(0, Math.min(longest, name.length())).replaceAll("-+$", "");
        return name.isEmpty() ? "training" : name;
    }

    /**
     * Sets a field.
     *
     * @param key the option that it came from; empty where none was given
     * @param path the field below spec
     * @param value text, number, truth, list of text, or a node
     */
    void put(String key, String path, Object value) {
        String[] steps = path.split("\\.");
        ObjectNode at = spec;
        for (int i = 0; i < steps.length - 1; i++) {
            at = at.withObject("/" + steps[i]);
        }
        at.set(steps[steps.length - 1], node(value));
        origin(key, "spec." + path);
    }

    /** Sets a field that no option names. */
    void put(String path, Object value) {
        put("", path, value);
    }

    /** Appends an entry to a list. */
    ObjectNode add(String path) {
        String pointer = "/" + path.replace('.', '/');
        ArrayNode list = spec.withArray(pointer);
        return list.addObject();
    }

    /** Appends a data set, of a name that no other has. */
    ObjectNode dataset(String key, String uri) {
        String name = free();
        origin(key, dataset("uri", spec.path("datasets").size()));
        return add("datasets").put("name", name).put("uri", uri);
    }

    /** A name that no data set has: main, or the next of main-2, main-3 and so on. */
    private String free() {
        List<String> taken = names();
        int number = taken.size() + 1;
        String name = number == 1 ? "main" : "main-" + number;
        while (taken.contains(name)) {
            name = "main-" + ++number;
        }
        return name;
    }

    private List<String> names() {
        return spec.path("datasets").findValuesAsText("name");
    }

    /** Calls {@code dataset} so, and another that is called so by the next name that is free. */
    void call(ObjectNode dataset, String name) {
        for (JsonNode other : spec.path("datasets")) {
            if (other != dataset && other.path("name").asText().equals(name)) {
                ((ObjectNode) other).put("name", free());
            }
        }
        dataset.put("name", name);
    }

    private static String dataset(String field, int index) {
        return "spec.datasets[%d].%s".formatted(index, field);
    }

    /** Says which option a field of the last data set came from. */
    void originOfDataset(String key, String field) {
        origin(key, dataset(field, spec.path("datasets").size() - 1));
    }

    /** Says which option the field {@code path} came from. */
    void origin(String key, String path) {
        if (!key.isEmpty()) {
            origins.put(path, key);
        }
    }

    /** The value of a field; a missing node where it isn't set. */
    JsonNode at(String path) {
        return spec.at("/" + path.replace('.', '/'));
    }

    /** The side of a square of so many pixels, to a multiple of 64. */
    static int side(double width, double height) {
        return (int) Math.max(1, Math.round(Math.sqrt(width * height) / 64)) * 64;
    }

    static JsonNode node(Object value) {
        if (value instanceof Double number) {
            return Json.MAPPER
                    .getNodeFactory()
                    .numberNode(BigDecimal.valueOf(number).stripTrailingZeros());
        }
        if (value instanceof Enum<?> constant) {
            return Json.MAPPER.getNodeFactory().textNode(constant.name());
        }
        if (value instanceof List<?> list) {
            ArrayNode array = Json.MAPPER.createArrayNode();
            list.forEach(entry -> array.add(node(entry)));
            return array;
        }
        return Json.MAPPER.valueToTree(value);
    }

    Converted done(Tool tool, Findings findings) {
        String name = root.at("/metadata/name").asText();
        boolean lost = written.codePoints().anyMatch(letter -> letter > 127) || !written.matches(".*[A-Za-z0-9].*");
        if (lost) {
            findings.note("the name \"%s\" became %s, for names have small letters from a to z, digits and hyphens"
                    .formatted(written, name));
        }
        return new Converted(tool, findings.file(), root, findings.warnings(), Map.copyOf(origins));
    }
}
