package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Parses {@code labelSelector} and {@code fieldSelector} of a request. */
final class Selectors {
    private static final Pattern EQUALITY = Pattern.compile("([^=!\\s]+)\\s*(==|=|!=)\\s*([^=!\\s]*)");
    private static final Pattern EXISTS = Pattern.compile("(!?)\\s*([A-Za-z0-9._/-]+)");

    private Selectors() {}

    static Predicate<ObjectNode> labels(String selector) {
        Predicate<ObjectNode> all = o -> true;
        for (String part : requirements(selector)) {
            Predicate<JsonNode> one = labelRequirement(part);
            all = all.and(o -> one.test(o.path("metadata").path("labels")));
        }
        return all;
    }

    private static Predicate<JsonNode> labelRequirement(String part) {
        Matcher m = EQUALITY.matcher(part);
        if (m.matches()) {
            String key = m.group(1);
            boolean equal = !m.group(2).equals("!=");
            String value = m.group(3);
            return labels -> (labels.has(key) && value.equals(labels.get(key).asText())) == equal;
        }
        m = EXISTS.matcher(part);
        if (m.matches()) {
            String key = m.group(2);
            boolean present = m.group(1).isEmpty();
            return labels -> labels.has(key) == present;
        }
        throw ApiException.badRequest("this embedded API server can't read the selector " + part);
    }

    /** Field selectors compare the text at any dotted path, where a real server knows but a few per kind. */
    static Predicate<ObjectNode> fields(String selector) {
        Predicate<ObjectNode> all = o -> true;
        for (String part : requirements(selector)) {
            Matcher m = EQUALITY.matcher(part);
            if (!m.matches()) {
                throw ApiException.badRequest("this embedded API server can't read the selector " + part);
            }
            String pointer = "/" + m.group(1).replace('.', '/');
            boolean equal = !m.group(2).equals("!=");
            String value = m.group(3);
            all = all.and(o -> o.at(pointer).asText("").equals(value) == equal);
        }
        return all;
    }

    private static List<String> requirements(String selector) {
        // A comma inside parentheses would separate values: such a selector is refused as a whole.
        return Stream.of(selector.split(",(?![^()]*\\))", -1))
                .map(String::trim)
                .filter(part -> !part.isEmpty())
                .toList();
    }
}
