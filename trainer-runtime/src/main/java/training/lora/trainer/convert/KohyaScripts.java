package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.TrainingMethod;

/**
 * The script that a configuration is for, or several to which it means the same: a file for --config_file names none, and the
 * family of its model may be all that is left open.
 */
record KohyaScripts(Set<KohyaScript> all) {
    /** An option that more scripts have doesn't tell which is meant. */
    private static final int MOST_OWNERS = 3;

    /** Options that some scripts can't do without, so that what else stands beside them is none of theirs. */
    private static final List<String> NEEDED = List.of("network_module", "token_string");

    KohyaScripts {
        all = Collections.unmodifiableSet(EnumSet.copyOf(all));
    }

    /** Which {@code options} are for, by those of them that are on and that not all scripts have. */
    static KohyaScripts of(Options options, OptionTable table) {
        Set<KohyaScript> left = EnumSet.allOf(KohyaScript.class);
        String told = "";
        List<String> telling = telling(options, table);
        boolean certain = telling.stream().anyMatch(NEEDED::contains);
        for (String key : telling) {
            Set<KohyaScript> those = owners(table, key);
            if (!Collections.disjoint(left, those)) {
                left.retainAll(those);
                told = key;
            } else if (NEEDED.contains(key) || (!certain && those.size() <= MOST_OWNERS)) {
                throw options.wrong(
                        key,
                        "be unset beside `%s`, which %s has, or --from must name the script"
                                .formatted(told, files(left, " or ")));
            }
        }
        // fine_tune.py has its pictures from a table alone.
        if (left.size() > 1
                && options.text("in_json") == null
                && !options.has("dataset_config")
                && !options.has("datasets")) {
            left.remove(KohyaScript.FineTune);
        }
        byTables(options, left);
        KohyaScript first = left.iterator().next();
        if (!left.stream().allMatch(first::isLike)) {
            if (left.stream().allMatch(script -> script.method() == first.method())) {
                throw options.findings()
                        .invalid("it may be for %s: --from must say which".formatted(files(left, " or ")));
            }
            throw options.wrong(
                    "network_module",
                    "be given, or an option that another script alone has, or --from must name the script, such as train_db.py");
        }
        return new KohyaScripts(left);
    }

    /** fine_tune.py has a table of captions for each data set of a dataset configuration, and train_db.py for none. */
    private static void byTables(Options options, Set<KohyaScript> left) {
        boolean with = false;
        boolean without = false;
        for (Options dataset : options.children("datasets")) {
            for (Options subset : dataset.children("subsets")) {
                with |= subset.has("metadata_file");
                without |= !subset.has("metadata_file");
            }
        }
        if (left.size() > 1 && without) {
            left.remove(KohyaScript.FineTune);
        }
        if (left.size() > 1 && with) {
            left.remove(KohyaScript.DreamBooth);
        }
    }

    /** Those that a script needs, then those that fewest scripts have, before others. */
    private static List<String> telling(Options options, OptionTable table) {
        List<String> keys = new ArrayList<>();
        options.node().fields().forEachRemaining(field -> {
            Option option = table.get(field.getKey());
            boolean on = option == null
                    ? !Values.isOff(field.getValue())
                    : !field.getValue().isNull() && !option.isOff(field.getValue());
            Set<KohyaScript> those = owners(table, field.getKey());
            // Of networks' scripts their module tells, and what has no effect is often left in a file of another
            // script.
            boolean counts = option == null
                    || option.to() != null
                    || option.refused() != null
                    || those.stream().noneMatch(script -> script.method() == TrainingMethod.Adapter);
            if (on && counts && !those.equals(EnumSet.allOf(KohyaScript.class))) {
                keys.add(field.getKey());
            }
        });
        keys.sort(Comparator.comparing((String key) -> !NEEDED.contains(key))
                .thenComparingInt(key -> owners(table, key).size()));
        return keys;
    }

    /** The scripts that have the option {@code key}. */
    private static Set<KohyaScript> owners(OptionTable table, String key) {
        // Its table names what it holds, each option of which these scripts have.
        Option option = table.get(key.equals("network_args") ? "network_module" : key);
        if (option == null || option.of() == null) {
            return EnumSet.allOf(KohyaScript.class);
        }
        return option.of().stream()
                .map(name -> Objects.requireNonNull(KohyaScript.named(name), name))
                .collect(Collectors.toCollection(() -> EnumSet.noneOf(KohyaScript.class)));
    }

    /** Takes out what other scripts alone have, which those that read a file pass over, and says so. */
    void dropOthers(ObjectNode options, OptionTable table, Findings findings) {
        List<String> others = new ArrayList<>();
        options.fieldNames().forEachRemaining(key -> {
            if (Collections.disjoint(owners(table, key), all)) {
                others.add(key);
            }
        });
        for (String key : others) {
            JsonNode value = options.remove(key);
            if (!value.isNull() && !findings.isOff(key, value)) {
                findings.ignores(key, lacks());
            }
        }
    }

    private static String files(Set<KohyaScript> scripts, String between) {
        return scripts.stream().map(KohyaScript::file).collect(Collectors.joining(between));
    }

    /** Says that they have no such option. */
    String lacks() {
        return files(all, " and ") + (all.size() == 1 ? " has" : " have") + " no such option";
    }

    private KohyaScript first() {
        return all.iterator().next();
    }

    /** What they train. */
    TrainingMethod method() {
        return first().method();
    }

    boolean are(KohyaScript script) {
        return all.equals(Set.of(script));
    }

    /** Whether they are for Stable Diffusion XL; null where that isn't known. */
    @Nullable Boolean xl() {
        Set<Boolean> xl = all.stream().map(KohyaScript::xl).collect(Collectors.toSet());
        return xl.size() == 1 ? xl.iterator().next() : null;
    }

    /** What trackers call the project there. */
    String project() {
        return first().project();
    }
}
