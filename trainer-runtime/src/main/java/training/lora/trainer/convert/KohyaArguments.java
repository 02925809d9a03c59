package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A command line of one of kohya's scripts, as a shell reads it.
 *
 * @param script the script
 * @param options what follows the script: an option without a value is true, one with several an array
 * @param notes what its user should know
 * @param places where its paths lead, from the folder in which it runs
 */
record KohyaArguments(KohyaScript script, ObjectNode options, List<String> notes, Places places) {
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

    /** Whether the script {@code file} of this {@code text} has such a command line. */
    static boolean isIn(Path file, String text) {
        return ShellText.commands(Shell.of(file, text), text).stream().anyMatch(KohyaArguments::starts);
    }

    /** Whether one of its here-documents has such a command line. */
    static boolean isInDocument(Path file, String text) {
        return ShellText.documents(Shell.of(file, text), text).stream().anyMatch(document -> isIn(file, document));
    }

    /**
     * The command line in a script: of the first command that starts a script of kohya's and gives it options; else of the first that
     * starts one.
     *
     * @param file the script's file
     * @param text what it holds
     * @param places where paths lead from the folder in which it is started
     */
    static KohyaArguments ofScript(Path file, String text, Places places) {
        Shell shell = Shell.of(file, text);
        List<ShellCommand> commands = ShellText.commands(shell, text);
        List<Integer> started = IntStream.range(0, commands.size())
                .filter(i -> starts(commands.get(i)))
                .boxed()
                .toList();
        List<Integer> trainings = started.stream()
                .filter(i -> fromScript(commands.get(i).words()).stream()
                        .anyMatch(word -> word.text().startsWith("--")))
                .toList();
        if (started.isEmpty()) {
            throw none(file.toString());
        }
        ShellFlow flow = new ShellFlow(shell, commands, (trainings.isEmpty() ? started : trainings).get(0));
        Map<String, String> variables = ShellVariables.of(flow, shell.given(file, places.from()));
        List<String> words = fromScript(flow.command().arguments()).stream()
                .flatMap(word -> word.with(variables).stream())
                .toList();
        List<String> notes = new ArrayList<>();
        if (trainings.size() > 1) {
            notes.add("of its %d command lines of kohya's scripts the first is read".formatted(trainings.size()));
        }
        commands.stream()
                .filter(KohyaArguments::isOption)
                .map(command -> command.words().get(0).text())
                .forEach(word -> notes.add(
                        "`%s` and what follows it begin a line of their own, as behind a comment within a command, and so are no options of it"
                                .formatted(word)));
        return of(file.toString(), shell, words, notes, ShellFolder.of(flow, file, places));
    }

    /** Whether an option stands where a command begins, and no element of an array. */
    private static boolean isOption(ShellCommand command) {
        return command.words().get(0).text().startsWith("--")
                && command.before().stream().noneMatch(block -> block.kind().equals("("));
    }

    private static boolean starts(ShellCommand command) {
        return !fromScript(command.words()).isEmpty();
    }

    /** A command's words from the script on that it starts; none where it starts none. */
    private static List<ShellWord> fromScript(List<ShellWord> words) {
        boolean starts = true;
        boolean started = false;
        for (int i = 0; i < words.size() && (starts || started); i++) {
            String word = words.get(i).text();
            boolean sets = ASSIGNMENT.matcher(word).matches();
            boolean named = !BARE.matcher(word).matches()
                    || starts
                    || BEFORE_BARE.matcher(words.get(i - 1).text()).matches();
            if (!sets && named && SCRIPT.matcher(word).matches()) {
                return words.subList(i, words.size());
            }
            started |= starts && STARTER.matcher(word).matches();
            starts &= sets || KEYWORD.matcher(word).matches();
        }
        return List.of();
    }

    /**
     * The command line of {@code words}, such as {@code accelerate launch train_network.py --network_dim 8}.
     *
     * @param places where paths lead from the folder in which it is run
     */
    static KohyaArguments of(String file, List<String> words, Places places) {
        return of(file, null, words, List.of(), places);
    }

    private static KohyaArguments of(
            String file, @Nullable Shell shell, List<String> words, List<String> notes, Places places) {
        int at = 0;
        while (at < words.size() && !SCRIPT.matcher(words.get(at)).matches()) {
            at++;
        }
        if (at == words.size()) {
            throw none(file);
        }
        KohyaScript script = KohyaScript.at(words.get(at));
        if (script == null) {
            throw invalid(
                    file,
                    "the script must be %s, was %s, and what that trains isn't here"
                            .formatted(KohyaScript.names(), words.get(at)));
        }
        ObjectNode options = KohyaCommandLine.options(file, shell, words.subList(at + 1, words.size()));
        return new KohyaArguments(script, options, notes, places);
    }

    private static TrainerException none(String file) {
        return invalid(file, "there must be %s and its options".formatted(KohyaScript.names()));
    }

    private static TrainerException invalid(String file, String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, file + ": " + sentence);
    }
}
