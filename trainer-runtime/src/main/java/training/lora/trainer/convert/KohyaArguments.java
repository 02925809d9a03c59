package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A command line of one of kohya's scripts, as a shell reads it.
 *
 * @param script the script
 * @param options what follows the script: an option without a value is true, one with several an array
 */
record KohyaArguments(KohyaScript script, ObjectNode options) {
    /** Scripts of sd-scripts that train, those for what isn't here too; a name that others may have needs its ending. */
    private static final String NAME =
            "(?:\\w*train_network(?:\\.py)?|(?:\\w*(?:train_network|train_textual_inversion|train_control_?net)\\w*|fine_tune|train_db|(?:sdxl|sd3|flux|lumina|anima)_train)\\.py)";

    private static final Pattern SCRIPT = Pattern.compile("(?i)(?:.*[/\\\\])?" + NAME);

    /** What starts a script that stands behind it. */
    private static final Pattern STARTER = Pattern.compile(
            "(?i).*(?:python[\\d.]*|accelerate)w?(?:\\.exe)?|(?:.*[/\\\\])?(?:py|torchrun|deepspeed|uv|poetry|pipenv|conda|exec|nohup|time|start|call)(?:\\.exe)?|[$%].*");

    /** A variable that is set for a command alone. */
    private static final Pattern ASSIGNMENT = Pattern.compile("\\w+=.*");

    /** A word of a shell's line, or an end of a command. */
    private static final Pattern WORD =
            Pattern.compile("(?:\"(?:\\\\.|[^\"\\\\])*\"|'[^']*'|\\\\[^\\n]|[^\\s\"'\\\\;&|])+|[;&|]+|\\n");

    /** Whether {@code text} has such a command line. */
    static boolean isIn(String text) {
        return !command(text).isEmpty();
    }

    /**
     * The command line in the script {@code text}.
     *
     * @param file its name, for messages
     */
    static KohyaArguments ofScript(String file, String text) {
        return of(file, command(text));
    }

    /** The words of the first command that starts a script, from the script on; none where there is none. */
    private static List<String> command(String text) {
        // Lines that go on, in a POSIX shell, PowerShell and Windows' command line.
        String joined = text.replaceAll("[\\\\`^][ \\t]*\\r?\\n", " ").replaceAll("(?m)^\\s*(#|::|REM ).*$", "");
        Matcher word = WORD.matcher(joined);
        List<String> words = new ArrayList<>();
        boolean begun = false;
        boolean started = false;
        boolean starts = true;
        while (word.find()) {
            String found = word.group();
            if (found.matches("[;&|]+|\\n")) {
                if (begun) {
                    break;
                }
                started = false;
                starts = true;
                continue;
            }
            String plain = unquoted(found);
            begun |= starts && SCRIPT.matcher(plain).matches();
            if (begun) {
                words.add(plain);
            }
            started |= STARTER.matcher(plain).matches();
            starts = started || (starts && ASSIGNMENT.matcher(plain).matches());
        }
        return words;
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
        int at = 0;
        while (at < words.size() && !SCRIPT.matcher(words.get(at)).matches()) {
            at++;
        }
        if (at == words.size()) {
            throw invalid(file, "there must be %s and its options".formatted(KohyaScript.names()));
        }
        KohyaScript script = KohyaScript.named(words.get(at).replaceFirst("^.*[/\\\\]", ""));
        if (script == null) {
            throw invalid(
                    file,
                    "the script must be %s, was %s, and what that trains isn't here"
                            .formatted(KohyaScript.names(), words.get(at)));
        }
        return new KohyaArguments(script, options(file, words.subList(at + 1, words.size())));
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
