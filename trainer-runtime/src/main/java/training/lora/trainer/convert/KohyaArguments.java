package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A command line of {@code train_network.py} or {@code sdxl_train_network.py}, as a shell reads it.
 *
 * @param xl whether it is the script for Stable Diffusion XL
 * @param options what follows the script: an option without a value is true, one with several an array
 */
record KohyaArguments(boolean xl, ObjectNode options) {
    private static final Pattern SCRIPT = Pattern.compile("(?i)(?:.*[/\\\\])?(\\w*)train_network(?:\\.py)?");

    /** A word of a shell's line, or an end of a command. */
    private static final Pattern WORD =
            Pattern.compile("(?:\"(?:\\\\.|[^\"\\\\])*\"|'[^']*'|\\\\[^\\n]|[^\\s\"'\\\\;&|])+|[;&|]+|\\n");

    /** Whether {@code text} has such a command line. */
    static boolean isIn(String text) {
        return Pattern.compile("(?m)^[^#\\n]*train_network(\\.py)?[\"']?(\\s|$)")
                .matcher(text)
                .find();
    }

    /**
     * The command line in the script {@code text}.
     *
     * @param file its name, for messages
     */
    static KohyaArguments ofScript(String file, String text) {
        // Lines that go on, in a POSIX shell, PowerShell and Windows' command line.
        String joined = text.replaceAll("[\\\\`^][ \\t]*\\r?\\n", " ").replaceAll("(?m)^\\s*(#|::|REM ).*$", "");
        Matcher word = WORD.matcher(joined);
        List<String> words = new ArrayList<>();
        boolean begun = false;
        while (word.find()) {
            String found = word.group();
            if (found.matches("[;&|]+|\\n")) {
                if (begun) {
                    break;
                }
                words.clear();
            } else {
                words.add(unquoted(found));
                begun |= SCRIPT.matcher(unquoted(found)).matches();
            }
        }
        return of(file, words);
    }

    private static String unquoted(String word) {
        StringBuilder text = new StringBuilder();
        Matcher part = Pattern.compile("\"((?:\\\\.|[^\"\\\\])*)\"|'([^']*)'|\\\\(.)|(.)")
                .matcher(word);
        while (part.find()) {
            if (part.group(1) != null) {
                text.append(part.group(1).replaceAll("\\\\([\"\\\\$`])", "$1"));
            } else {
                text.append(
                        part.group(2) != null ? part.group(2) : part.group(3) != null ? part.group(3) : part.group(4));
            }
        }
        return text.toString();
    }

    /** The command line of {@code words}, such as {@code accelerate launch train_network.py --network_dim 8}. */
    static KohyaArguments of(String file, List<String> words) {
        int script = -1;
        String kind = "";
        for (int i = 0; i < words.size(); i++) {
            Matcher name = SCRIPT.matcher(words.get(i));
            if (name.matches()) {
                script = i;
                kind = name.group(1).toLowerCase(Locale.ROOT);
            }
        }
        if (script < 0) {
            throw invalid(file, "there must be train_network.py or sdxl_train_network.py and its options");
        }
        if (!kind.isEmpty() && !kind.equals("sdxl_")) {
            throw invalid(
                    file,
                    "the script must be train_network.py or sdxl_train_network.py, was " + words.get(script)
                            + ": its models are of another family");
        }
        return new KohyaArguments(kind.equals("sdxl_"), options(file, words.subList(script + 1, words.size())));
    }

    private static ObjectNode options(String file, List<String> words) {
        ObjectNode options = Json.MAPPER.createObjectNode();
        for (int i = 0; i < words.size(); ) {
            String word = words.get(i++);
            if (!word.startsWith("--")) {
                throw invalid(file, "\"%s\" must belong to an option".formatted(word));
            }
            int equals = word.indexOf('=');
            String key =
                    (equals < 0 ? word : word.substring(0, equals)).substring(2).replace('-', '_');
            List<String> values = new ArrayList<>();
            if (equals >= 0) {
                values.add(word.substring(equals + 1));
            }
            while (equals < 0 && i < words.size() && !words.get(i).startsWith("--")) {
                values.add(words.get(i++));
            }
            for (String value : values) {
                if (value.matches("(?s).*(\\$\\{?\\w+|%\\w+%).*")) {
                    throw invalid(
                            file, "`%s` must be given as it is, without variables, was \"%s\"".formatted(key, value));
                }
            }
            if (values.isEmpty()) {
                options.put(key, true);
            } else if (values.size() == 1) {
                options.put(key, values.get(0));
            } else {
                ArrayNode array = options.putArray(key);
                values.forEach(array::add);
            }
        }
        return options;
    }

    private static TrainerException invalid(String file, String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, file + ": " + sentence);
    }
}
