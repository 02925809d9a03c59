package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** What is to be said of a configuration that was taken over: what has no effect, what nobody knows, what became other. */
final class Findings {
    private final String file;
    private final OptionTable table;
    /** Keys without effect by the reason, so that a reason that several share is told once. */
    private final Map<String, Set<String>> ignored = new LinkedHashMap<>();

    private final Set<String> unknown = new LinkedHashSet<>();
    private final Set<String> notes = new LinkedHashSet<>();
    private final Set<String> differences = new LinkedHashSet<>();
    private final Set<String> missing = new LinkedHashSet<>();

    /** @param file the configuration's name, for messages */
    Findings(String file, OptionTable table) {
        this.file = file;
        this.table = table;
    }

    String file() {
        return file;
    }

    /**
     * Looks at all keys of {@code node}.
     *
     * @param group what stands before its keys in the table: empty, or a name and a point
     * @throws TrainerException InvalidConfiguration where one is refused
     */
    void look(ObjectNode node, String group) {
        node.fields().forEachRemaining(field -> {
            String key = group + field.getKey();
            JsonNode value = field.getValue();
            Option option = table.get(key);
            if (option == null && table.isGroup(key)) {
                if (value instanceof ObjectNode below) {
                    look(below, key + ".");
                } else if (value.isArray()) {
                    value.forEach(entry -> {
                        if (entry instanceof ObjectNode below) {
                            look(below, key + ".");
                        }
                    });
                }
            } else if (option == null) {
                if (!value.isNull()) {
                    unknown.add(key);
                }
            } else if (option.to() == null && !value.isNull() && !option.isOff(value)) {
                if (option.refused() != null) {
                    throw refused(key, value);
                }
                ignores(key);
            }
        });
    }

    /** Whether {@code value} is as if the option weren't there. */
    boolean isOff(String key, JsonNode value) {
        Option option = table.get(key);
        return option == null ? Values.isOff(value) : option.isOff(value);
    }

    /** A key has no effect, as the table says. */
    void ignores(String key) {
        Option option = table.get(key);
        if (option == null || option.ignored() == null) {
            throw new IllegalStateException("the table must say why " + key + " has no effect");
        }
        ignores(key, option.ignored());
    }

    /** A key has no effect, for {@code reason}. */
    void ignores(String key, String reason) {
        ignored.computeIfAbsent(reason, any -> new LinkedHashSet<>()).add("`" + key + "`");
    }

    /** Something became other than it was. */
    void note(String note) {
        notes.add(note);
    }

    /** Something is done in another way than by the tool, all of which one sentence tells. */
    void differs(String how) {
        differences.add(how);
    }

    /** What an option names isn't on this machine: the training may be meant for another. */
    void missing(String key, String path) {
        missing.add("`%s` %s".formatted(key, path));
    }

    /** What refuses a value, as the table says. */
    TrainerException refused(String key, JsonNode value) {
        Option option = table.get(key);
        if (option == null || option.refused() == null) {
            throw new IllegalStateException("the table must say why " + key + " is refused");
        }
        return invalid("`%s` can't be %s: %s"
                .formatted(key, value.isNull() ? "unset" : Values.shown(value), option.refused()));
    }

    /** A sentence on the file. */
    TrainerException invalid(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, file + ": " + sentence);
    }

    /** One for all that has no effect, one for all that is unknown, one for all that is done otherwise, and the notes. */
    List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        if (!ignored.isEmpty()) {
            warnings.add("without effect: "
                    + ignored.entrySet().stream()
                            .map(e -> String.join(", ", e.getValue()) + " (" + e.getKey() + ")")
                            .collect(Collectors.joining("; ")));
        }
        if (!unknown.isEmpty()) {
            warnings.add("unknown, and so without effect: "
                    + unknown.stream().map(key -> "`" + key + "`").collect(Collectors.joining(", ")));
        }
        if (!differences.isEmpty()) {
            warnings.add("done in another way here: " + String.join("; ", differences));
        }
        if (!missing.isEmpty()) {
            warnings.add("not found here, and looked for again where the training runs: " + String.join(", ", missing));
        }
        warnings.addAll(notes);
        return warnings;
    }
}
