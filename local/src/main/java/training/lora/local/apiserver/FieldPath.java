package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.StreamSupport;

/** The JSONPath of a printer column: dotted names, each with a filter where it is a list: {@code [?(@.type=="x")]}. */
record FieldPath(String text) {
    private static final Pattern STEP =
            Pattern.compile("\\.([A-Za-z0-9_-]+)(?:\\[\\?\\(@\\.([A-Za-z0-9_]+) *== *[\"']([^\"']*)[\"']\\)])?");

    /** Whether it has no other form than these. */
    boolean isSupported() {
        return STEP.matcher(text).replaceAll("").isEmpty();
    }

    /** The first value, or a missing node. */
    JsonNode in(JsonNode root) {
        JsonNode at = root;
        Matcher step = STEP.matcher(text);
        while (step.find()) {
            at = at.path(step.group(1));
            String key = step.group(2);
            String wanted = step.group(3);
            if (key != null) {
                at = StreamSupport.stream(at.spliterator(), false)
                        .filter(entry -> entry.path(key).asText().equals(wanted))
                        .findFirst()
                        .orElse(MissingNode.getInstance());
            }
        }
        return at;
    }
}
