package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Parses {@code labelSelector} and {@code fieldSelector} of a request. */
final class Selectors {
    private static final Pattern SET = Pattern.compile("(\\S+)\\s+(in|notin)\\s+\\(([^()]*)\\)");
    private static final Pattern EQUALITY = Pattern.compile("([^=!\\s]+)\\s*(==|=|!=)\\s*([^=!\\s]*)");
    private static final Pattern EXISTS = Pattern.compile("(!?)\\s*([A-Za-z0-9._/-]+)");
    // A comma inside parentheses separates values, not requirements.
    private static final Pattern COMMA = Pattern.compile(",(?![^()]*\\))");

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
        Matcher m = SET.matcher(part);
        if (m.matches()) {
            String key = m.group(1);
            boolean in = m.group(2).equals("in");
            Set<String> values =
                    Arrays.stream(m.group(3).split(",", -1)).map(String::trim).collect(Collectors.toSet());
            return labels -> (labels.has(key) && values.contains(labels.get(key).asText())) == in;
        }
        m = EQUALITY.matcher(part);
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
        throw ApiException.badRequest("unable to parse requirement: " + part);
    }

    /** Field selectors compare the text at any dotted path, where a real server knows but a few per kind. */
    static Predicate<ObjectNode> fields(String selector) {
        Predicate<ObjectNode> all = o -> true;
        for (String part : requirements(selector)) {
            Matcher m = EQUALITY.matcher(part);
            if (!m.matches()) {
                throw ApiException.badRequest("invalid selector: '" + part + "'; can't understand '" + part + "'");
            }
            String pointer = "/" + m.group(1).replace('.', '/');
            boolean equal = !m.group(2).equals("!=");
            String value = m.group(3);
            all = all.and(o -> o.at(pointer).asText("").equals(value) == equal);
        }
        return all;
    }

    private static List<String> requirements(String selector) {
        List<String> parts = new ArrayList<>();
        for (String part : COMMA.splitAsStream(selector).map(String::trim).toList()) {
            if (!part.isEmpty()) {
                parts.add(part);
            }
        }
        return parts;
    }
}
