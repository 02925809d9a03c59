package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The JSONPath that printer columns use: dotted names, indices, {@code [*]} and filters {@code [?(@.type=="x")]}. */
final class JsonPaths {
    private static final Pattern STEP = Pattern.compile("\\.?([A-Za-z0-9_-]+|\\\\.)+"
            + "|\\[\\?\\(@\\.([A-Za-z0-9_.-]+)\\s*==\\s*[\"']([^\"']*)[\"']\\)]"
            + "|\\[(\\d+|\\*)]"
            + "|\\[['\"]([^'\"]+)['\"]]");

    private JsonPaths() {}

    /** The first value at {@code path}, or a missing node; also where the path has a form that is not known here. */
    static JsonNode first(JsonNode root, String path) {
        List<JsonNode> values = List.of(root);
        Matcher step = STEP.matcher(path);
        int end = 0;
        while (step.find() && step.start() == end) {
            end = step.end();
            values = next(values, step);
        }
        return end == path.length() && !values.isEmpty() ? values.get(0) : MissingNode.getInstance();
    }

    private static List<JsonNode> next(List<JsonNode> values, Matcher step) {
        List<JsonNode> next = new ArrayList<>();
        for (JsonNode value : values) {
            if (step.group(2) != null) {
                String pointer = "/" + step.group(2).replace('.', '/');
                for (JsonNode entry : value) {
                    if (entry.at(pointer).asText().equals(step.group(3))) {
                        next.add(entry);
                    }
                }
            } else if ("*".equals(step.group(4))) {
                value.forEach(next::add);
            } else if (step.group(4) != null) {
                next.add(value.path(Integer.parseInt(step.group(4))));
            } else {
                String name = step.group(5) != null ? step.group(5) : step.group();
                next.add(value.path(name.startsWith(".") ? name.substring(1) : name));
            }
        }
        next.removeIf(JsonNode::isMissingNode);
        return next;
    }
}
