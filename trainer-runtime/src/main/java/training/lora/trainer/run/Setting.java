package training.lora.trainer.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.Uris;
import training.lora.trainer.TrainerException;

/**
 * A field that takes another value, as {@code --set} has it: {@code training.steps=20}. An entry of a list is named by its
 * number or by its name, as messages do: {@code spec.datasets[0].uri=…}, {@code datasets[main].uri=…}.
 */
final class Setting {
    private static final Pattern STEP = Pattern.compile("\\G(?:^|(?<=.)\\.)([^.\\[\\]]+)|\\G\\[([^\\[\\]]+)]");

    /** What a data set without a name is called. */
    private static final String UNNAMED = "main";

    private final String field;
    private final List<String> steps = new ArrayList<>();
    private final List<Boolean> entries = new ArrayList<>();
    private final JsonNode value;

    /**
     * @param text FIELD=VALUE, the field below spec
     * @throws TrainerException InvalidConfiguration if it is something else
     */
    Setting(String text) {
        int equals = text.indexOf('=');
        field = text.substring(0, Math.max(0, equals)).replaceFirst("^spec\\.", "");
        Matcher step = STEP.matcher(field);
        int end = 0;
        while (step.find()) {
            steps.add(step.group(1) != null ? step.group(1) : step.group(2));
            entries.add(step.group(1) == null);
            end = step.end();
        }
        if (end == 0 || end < field.length() || entries.get(0) || field.contains("://")) {
            // A value may hold a password or a signature, and so may an address that stands in a field's place.
            String was = equals < 0 ? text : text.substring(0, equals) + "=…";
            throw invalid("--set must be FIELD=VALUE, such as training.steps=20 or datasets[0].uri=pictures, was "
                    + Uris.shown(was));
        }
        try {
            this.value = Json.STRICT_YAML.readTree(text.substring(equals + 1));
        } catch (JsonProcessingException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "the value of --set %s must be YAML: %s".formatted(field, Json.problem(e)),
                    e);
        }
    }

    /** What it sets, as it was written, but for spec. */
    String field() {
        return field;
    }

    /** Sets it. */
    void in(ObjectNode spec) {
        JsonNode node = spec;
        StringBuilder path = new StringBuilder("spec");
        for (int i = 0; i < steps.size(); i++) {
            boolean last = i == steps.size() - 1;
            if (entries.get(i)) {
                int index = index(node, steps.get(i), path.toString());
                ArrayNode list = (ArrayNode) node;
                if (last) {
                    list.set(index, value);
                    return;
                }
                node = list.get(index);
                path.append('[').append(steps.get(i)).append(']');
            } else {
                if (!(node instanceof ObjectNode object)) {
                    throw invalid("--set %s needs a mapping of fields at `%s`".formatted(field, path));
                }
                if (last) {
                    object.set(steps.get(i), value);
                    return;
                }
                node = next(object, path.toString(), steps.get(i), entries.get(i + 1));
                path.append('.').append(steps.get(i));
            }
        }
    }

    private JsonNode next(ObjectNode object, String path, String field, boolean entry) {
        JsonNode next = object.get(field);
        if (next != null && next.isArray() && !entry) {
            throw invalid("--set %s must name an entry of the list `%s.%s`, as in %s[0]"
                    .formatted(this.field, path, field, field));
        }
        if (entry) {
            return next == null ? Json.STRICT_YAML.createArrayNode() : next;
        }
        return next instanceof ObjectNode ? next : object.putObject(field);
    }

    private int index(JsonNode node, String entry, String path) {
        List<String> names = new ArrayList<>();
        node.forEach(child -> names.add(child.path("name").asText(UNNAMED)));
        int index = node.isArray() && entry.matches("\\d{1,6}") ? Integer.parseInt(entry) : names.indexOf(entry);
        if (!node.isArray() || index < 0 || index >= names.size()) {
            throw invalid("--set %s must name an entry of `%s` by its number, from 0, or its name, but there is %s"
                    .formatted(field, path, there(node, names)));
        }
        return index;
    }

    private static String there(@Nullable JsonNode node, List<String> names) {
        return node == null || names.isEmpty()
                ? "none"
                : String.join(
                        ", ",
                        IntStream.range(0, names.size())
                                .mapToObj(i -> "%d (%s)".formatted(i, names.get(i)))
                                .toList());
    }

    private static TrainerException invalid(String message) {
        return new TrainerException(Reason.InvalidConfiguration, message);
    }
}
