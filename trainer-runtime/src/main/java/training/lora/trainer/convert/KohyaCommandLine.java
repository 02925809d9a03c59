package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** The options of a command line of kohya's, as the words behind the script give them. */
final class KohyaCommandLine {
    /** Options of any number of values, none among them. */
    private static final Set<String> LISTS = Set.of(
            "network_args",
            "optimizer_args",
            "lr_scheduler_args",
            "text_encoder_lr",
            "base_weights",
            "base_weights_multiplier");

    /** Options that are paths, of those that are read. */
    private static final Set<String> PATHS = Set.of(
            "pretrained_model_name_or_path",
            "vae",
            "train_data_dir",
            "reg_data_dir",
            "in_json",
            "dataset_config",
            "config_file",
            "sample_prompts",
            "network_weights",
            "base_weights",
            "output_dir");

    private static final Pattern HOME = Pattern.compile("~[\\w.-]*[/\\\\].*");

    /** What stands for several words: elements of an array, and the script's own arguments. */
    private static final Shell.Each SEVERAL =
            new Shell.Each("\\$\\{\\w+\\[[@*]]}|\\$[@*]", "%\\*", "@\\w+|\\$\\{?(?i:args)\\b");

    private final String file;
    private final @Nullable Shell shell;
    private final OptionTable table = OptionTable.read("kohya");

    private KohyaCommandLine(String file, @Nullable Shell shell) {
        this.file = file;
        this.shell = shell;
    }

    /**
     * The options that {@code words} give: one without a value is true, one with several an array.
     *
     * @param file where they stand, for messages
     * @param shell the language of which what is left of variables is; null where a shell has filled in all
     */
    static ObjectNode options(String file, @Nullable Shell shell, List<String> words) {
        return new KohyaCommandLine(file, shell).options(words);
    }

    private ObjectNode options(List<String> words) {
        ObjectNode options = Json.MAPPER.createObjectNode();
        for (int i = 0; i < words.size(); ) {
            String word = words.get(i++);
            int equals = word.indexOf('=');
            String name = equals < 0 ? word : word.substring(0, equals);
            requireFilled(null, name);
            if (!word.startsWith("--")) {
                throw invalid("\"%s\" must belong to an option".formatted(word));
            }
            String key = name.substring(2).replace('-', '_');
            List<String> values = new ArrayList<>();
            if (equals >= 0) {
                values.add(value(key, word.substring(equals + 1)));
            }
            while (equals < 0 && i < words.size() && !words.get(i).startsWith("--") && takes(key, words.get(i))) {
                values.add(value(key, words.get(i++)));
            }
            put(options, key, values);
        }
        return options;
    }

    private void put(ObjectNode options, String key, List<String> values) {
        if (values.size() == 1) {
            options.put(key, values.get(0));
        } else if (!values.isEmpty()) {
            ArrayNode array = options.putArray(key);
            values.forEach(array::add);
        } else if (!LISTS.contains(key)) {
            if (!isFlag(key, true)) {
                throw invalid("`%s` must have a value, was without one".formatted(key));
            }
            options.put(key, true);
        }
    }

    /** Whether {@code word} belongs to the option {@code key}: a flag may have none but a truth. */
    private boolean takes(String key, String word) {
        return !isFlag(key, false) || Values.flag(TextNode.valueOf(word)) != null;
    }

    /** Whether an option has no value there. The table's example of one that has is another than true and false. */
    private boolean isFlag(String key, boolean unknown) {
        Option option = table.get(key);
        return option == null || option.example() == null
                ? unknown
                : option.example().isBoolean();
    }

    private String value(String key, String text) {
        if (!isIgnored(key) || isSeveral(text)) {
            requireFilled(key, text);
        }
        if (!PATHS.contains(key)) {
            return text;
        }
        if (HOME.matcher(text).matches()) {
            throw invalid(
                    "`%s` must have its folder written out, for a shell leaves ~ in quotes and behind = as it is, was \"%s\""
                            .formatted(key, text));
        }
        return shell == null ? text : shell.path(text);
    }

    /** Whether an option has no effect, whatever its value is. */
    private boolean isIgnored(String key) {
        Option option = table.get(key);
        return option != null && option.ignored() != null && option.to() == null && option.refused() == null;
    }

    private boolean isSeveral(String text) {
        return shell != null && SEVERAL.of(shell).matcher(text).find();
    }

    /** Refuses what a shell would have filled in. */
    private void requireFilled(@Nullable String key, String text) {
        if (shell == null || !shell.unset().matcher(text).find()) {
            return;
        }
        String what = key == null ? "options" : "`" + key + "`";
        String must = isSeveral(text)
                ? "must be written out, for arrays and a script's own arguments aren't read"
                : key == null
                        ? "must be written out where a variable stands for them that nothing sets to one value"
                        : "must be given as it is, without variables that nothing sets to one value";
        throw invalid("%s %s, was \"%s\"".formatted(what, must, text));
    }

    private TrainerException invalid(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, file + ": " + sentence);
    }
}
