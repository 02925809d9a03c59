package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which variables a command of a script may change, in any way. */
final class ShellChanges {
    private static final String NAME = "([A-Za-z_]\\w*)";

    /** What does so in a POSIX shell where a command begins, or behind what one can begin behind. */
    private static final Pattern ASSIGNMENT =
            Pattern.compile("[({\"]*" + NAME + "(?:\\[[^]]*])?(?:[-+*/%]?=.*|(?:\\+\\+|--)[);]*)", Pattern.DOTALL);

    /** Behind which a command runs that need not. */
    private static final Set<String> KEYWORDS =
            Set.of("then", "do", "else", "elif", "if", "while", "until", "case", "for", "{", "(", "!");

    /** Commands of a POSIX shell whose words set variables. */
    static final Set<String> BEFORE_ASSIGNMENT = Set.of("export", "readonly", "declare", "local", "typeset");

    /** Commands whose words name variables that they change. */
    private static final Set<String> NAMING = Set.of("read", "unset", "getopts", "mapfile", "readarray", "let");

    /** What a variable is named right behind: those of loops, and that which printf writes to. */
    private static final Set<String> BEFORE_NAME = Set.of("for", "select", "-v");

    private static final Pattern NAMED = Pattern.compile("[\"'({+]*(?:--)?" + NAME);

    /** Within the two parentheses of a calculation. */
    private static final Pattern CALCULATION = Pattern.compile("\\(\\(((?:(?!\\)\\))[\\s\\S])*+)");

    private static final Pattern CALCULATED = Pattern.compile(
            "(?:\\+\\+|--)\\s*" + NAME + "|" + NAME + "(?:\\[[^]]*])?\\s*(?:\\+\\+|--|[-+*/%^]?=(?!=))");

    private static final Pattern ANY_NAME = Pattern.compile(NAME);

    private static final Pattern CMD_SET = Pattern.compile("(?i)(?<![\\w-])set\\s+([\\s\\S]*)");

    private static final Pattern CMD_NAME = Pattern.compile(NAME + "\"?\\s*(?:[-+*/%&|^]|<<|>>)*=");

    /** In PowerShell: assignments, also of elements and of several at once; calls of methods; loops; and commands that name one. */
    private static final List<Pattern> POWERSHELL = List.of(
            Pattern.compile("(?:^|[\\]({;=])\\s*\\$(?:\\w+:)?(\\w+)(?:\\[[^]]*])?"
                    + "(?:\\s*[-+*/%?]*=(?!=)|\\+\\+|--|\\.\\w+\\()"),
            Pattern.compile("(?:\\+\\+|--)\\$(?:\\w+:)?(\\w+)"),
            Pattern.compile("(?i)(?:foreach\\s*\\(|\\[ref])\\s*\\$(\\w+)"),
            Pattern.compile("(?i)variable\\s+(?:-name\\s+)?[\"']?(\\w+)"),
            Pattern.compile("\\$(\\w+)(?=\\s*(?:,\\s*\\$\\w+\\s*)+=)"),
            Pattern.compile("(?<=,)\\s*\\$(\\w+)(?=\\s*(?:,\\s*\\$\\w+\\s*)*=)"));

    /** What runs another script, or a text, in this one's place. */
    private static final Shell.Each OTHERS = new Shell.Each(
            "^(?:(?:then|do|else|if|!|\\{)\\s+)*(?:(?:\\.|source|eval)\\s|(?:export|declare)\\s+[\"']?[$`])",
            "(?i)(?<![\\w-])call\\s|^endlocal\\b",
            "(?i)^\\.\\s|\\b(?:iex|Invoke-Expression)\\b");

    /** Those that people run before a training to choose a Python, which set no variable of theirs. */
    private static final Shell.Each KNOWN = new Shell.Each(
            "(?:^|[\\s/\"'])(?:activate|conda\\.sh|mamba\\.sh|\\.bashrc|\\.zshrc|\\.?(?:bash_)?profile)(?:[\"'\\s]|$)"
                    + "|\\$\\(\\s*[^\\s)]*(?:conda|mamba|pyenv)\\s",
            "(?i)activate(?:\\.bat)?[\"\\s]|activate(?:\\.bat)?$|\\bcall\\s+\"?(?:conda|mamba|python|py|pip|accelerate|git)\\b",
            "(?i)activate(?:\\.ps1)?[\"'\\s]|activate(?:\\.ps1)?$");

    private ShellChanges() {}

    /** Whether {@code command} may change any, because what it runs stands elsewhere. */
    static boolean isAny(Shell shell, ShellCommand command) {
        return OTHERS.of(shell).matcher(command.written()).find()
                && !KNOWN.of(shell).matcher(command.written()).find();
    }

    /** The names of those that {@code command} may change by what is written in it. */
    static List<String> names(Shell shell, ShellCommand command) {
        return switch (shell) {
            case Posix -> posix(command);
            case Cmd -> cmd(command.written());
            case PowerShell ->
                POWERSHELL.stream()
                        .flatMap(pattern -> all(pattern, command.written()).stream())
                        .toList();
        };
    }

    private static List<String> posix(ShellCommand command) {
        List<String> names = new ArrayList<>(calculated(command.written()));
        boolean begins = true;
        boolean naming = false;
        String before = "";
        for (ShellWord word : command.words()) {
            String written = word.written();
            Matcher assignment = ASSIGNMENT.matcher(written);
            boolean assigns = begins && assignment.matches();
            if (assigns) {
                names.add(assignment.group(1));
            }
            Matcher named = NAMED.matcher(written);
            if ((naming || BEFORE_NAME.contains(before)) && named.lookingAt()) {
                names.add(named.group(1));
            }
            naming |= NAMING.contains(written);
            begins = (begins && (assigns || written.startsWith("-")))
                    || KEYWORDS.contains(written)
                    || BEFORE_ASSIGNMENT.contains(written)
                    || written.endsWith(")")
                    || written.endsWith("{");
            before = written;
        }
        return names;
    }

    private static List<String> calculated(String written) {
        if (written.startsWith("((")) {
            return all(ANY_NAME, written);
        }
        List<String> names = new ArrayList<>();
        Matcher calculation = CALCULATION.matcher(written);
        while (calculation.find()) {
            names.addAll(all(CALCULATED, calculation.group(1)));
        }
        return names;
    }

    private static List<String> cmd(String written) {
        Matcher set = CMD_SET.matcher(written);
        return set.find() ? all(CMD_NAME, set.group(1)) : List.of();
    }

    /** The names that {@code pattern} finds in {@code text}, by whichever of its groups. */
    private static List<String> all(Pattern pattern, String text) {
        List<String> names = new ArrayList<>();
        Matcher matcher = pattern.matcher(text);
        while (matcher.find()) {
            for (int group = 1; group <= matcher.groupCount(); group++) {
                if (matcher.group(group) != null) {
                    names.add(matcher.group(group));
                }
            }
        }
        return names;
    }
}
