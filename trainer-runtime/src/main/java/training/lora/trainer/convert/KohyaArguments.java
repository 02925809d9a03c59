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

    /** A script's name without its ending, which may be that of anything else. */
    private static final Pattern BARE = Pattern.compile("(?i).*train_network");

    /** What stands before a name without ending: a module's flag, or accelerate's command. */
    private static final Pattern BEFORE_BARE = Pattern.compile("-m|--module|launch");

    /** At a command's start, what starts a script that stands behind it; a variable may hold one. */
    private static final Pattern STARTER = Pattern.compile(
            "(?i)(?:.*(?:python[\\d.]*|accelerate(?:-launch)?)w?|(?:.*[/\\\\])?(?:py|torchrun|deepspeed|ipexrun|uv|poetry|pipenv|conda|exec|nohup|time|nice|env|sudo|srun|start|call))(?:\\.exe)?|[$%!`].+");

    /** A shell's own words, behind which a command starts. */
    private static final Pattern KEYWORD = Pattern.compile("then|do|else|elif|if|while|[{(!]");

    /** A variable that is set, maybe for a command alone. */
    private static final Pattern ASSIGNMENT = Pattern.compile("\\w+=.*");

    /** A word of a shell's line, or an end of a command; without going back, so that a long word takes no stack. */
    private static final Pattern WORD =
            Pattern.compile("(?:\"(?:\\\\.|[^\"\\\\]++)*+\"|'[^']*+'|\\\\[^\\n]|[^\\s\"'\\\\;&|]++)++|[;&|]++|\\n");

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

    /**
     * The words of the first command that starts a script and gives it options, from the script on; else of the first that starts
     * one; none where there is none.
     */
    private static List<String> command(String text) {
        // Lines that go on, in a POSIX shell, PowerShell and Windows' command line.
        String joined = text.replaceAll("[\\\\`^][ \\t]*\\r?\\n", " ").replaceAll("(?m)^\\s*(#|::|REM ).*$", "");
        Matcher word = WORD.matcher(joined);
        List<String> first = List.of();
        List<String> command = new ArrayList<>();
        boolean more = true;
        while (more) {
            more = word.find();
            if (more && !word.group().matches("[;&|]+|\\n")) {
                command.add(unquoted(word.group()));
                continue;
            }
            List<String> found = fromScript(command);
            if (found.stream().anyMatch(w -> w.startsWith("--"))) {
                return found;
            }
            first = first.isEmpty() ? found : first;
            command = new ArrayList<>();
        }
        return first;
    }

    /** A command's words from the script on that it starts; none where it starts none. */
    private static List<String> fromScript(List<String> command) {
        boolean starts = true;
        boolean started = false;
        for (int i = 0; i < command.size() && (starts || started); i++) {
            String word = command.get(i);
            boolean sets = ASSIGNMENT.matcher(word).matches();
            boolean named = !BARE.matcher(word).matches()
                    || starts
                    || BEFORE_BARE.matcher(command.get(i - 1)).matches();
            if (!sets && named && SCRIPT.matcher(word).matches()) {
                return command.subList(i, command.size());
            }
            started |= starts && STARTER.matcher(word).matches();
            starts &= sets || KEYWORD.matcher(word).matches();
        }
        return List.of();
    }

    private static String unquoted(String word) {
        StringBuilder text = new StringBuilder();
        Matcher part = Pattern.compile("\"((?:\\\\.|[^\"\\\\]++)*+)\"|'([^']*+)'|\\\\(.)|(.)")
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
