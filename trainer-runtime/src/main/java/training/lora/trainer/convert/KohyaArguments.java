package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A command line of one of kohya's scripts, as a shell reads it.
 *
 * @param script the script
 * @param options what follows the script: an option without a value is true, one with several an array
 * @param notes what its user should know
 */
record KohyaArguments(KohyaScript script, ObjectNode options, List<String> notes) {
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

    /** Whether {@code text} has such a command line. */
    static boolean isIn(String text) {
        return ShellText.of(text).commands().stream()
                .anyMatch(command -> !fromScript(command).isEmpty());
    }

    /**
     * The command line in the script {@code text}: of the first command that starts a script of kohya's and gives it options; else
     * of the first that starts one.
     *
     * @param file its name, for messages
     */
    static KohyaArguments ofScript(String file, String text) {
        ShellText shell = ShellText.of(text);
        List<List<ShellText.Word>> started = shell.commands().stream()
                .map(KohyaArguments::fromScript)
                .filter(command -> !command.isEmpty())
                .toList();
        List<List<ShellText.Word>> trainings = started.stream()
                .filter(command -> command.stream().anyMatch(word -> word.text().startsWith("--")))
                .toList();
        List<List<ShellText.Word>> found = trainings.isEmpty() ? started : trainings;
        List<String> words = new ArrayList<>();
        for (ShellText.Word word : found.isEmpty() ? List.<ShellText.Word>of() : found.get(0)) {
            words.addAll(word.with(shell.variables()));
        }
        List<String> notes = new ArrayList<>();
        if (trainings.size() > 1) {
            notes.add("of its %d command lines of kohya's scripts the first is read".formatted(trainings.size()));
        }
        shell.commands().stream()
                .map(command -> command.get(0).text())
                .filter(word -> word.startsWith("--"))
                .forEach(word -> notes.add(
                        "`%s` and what follows it begin a line of their own, as behind a comment within a command, and so are no options of it"
                                .formatted(word)));
        KohyaArguments read = of(file, words);
        return new KohyaArguments(read.script(), read.options(), notes);
    }

    /** A command's words from the script on that it starts; none where it starts none. */
    private static List<ShellText.Word> fromScript(List<ShellText.Word> command) {
        boolean starts = true;
        boolean started = false;
        for (int i = 0; i < command.size() && (starts || started); i++) {
            String word = command.get(i).text();
            boolean sets = ASSIGNMENT.matcher(word).matches();
            boolean named = !BARE.matcher(word).matches()
                    || starts
                    || BEFORE_BARE.matcher(command.get(i - 1).text()).matches();
            if (!sets && named && SCRIPT.matcher(word).matches()) {
                return command.subList(i, command.size());
            }
            started |= starts && STARTER.matcher(word).matches();
            starts &= sets || KEYWORD.matcher(word).matches();
        }
        return List.of();
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
        return new KohyaArguments(script, options(file, words.subList(at + 1, words.size())), List.of());
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
                if (value.matches("(?s).*(\\$[{(]?\\w+|%\\w+%).*")) {
                    throw invalid(
                            file,
                            "`%s` must be given as it is, without variables that nothing sets to one value, was \"%s\""
                                    .formatted(key, value));
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
