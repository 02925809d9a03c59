package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.convert.ShellText.Word;

/**
 * The variables that a script sets to one value, whichever of its commands run. What is set twice, within a branch, a loop or a
 * function, added to or a list has no value that is certain.
 */
final class ShellVariables {
    private static final Pattern ASSIGNMENT = Pattern.compile("([A-Za-z_]\\w*)=(.*)", Pattern.DOTALL);

    private static final Pattern POWERSHELL =
            Pattern.compile("\\$(\\w+) ?= ?(\"(?:\\\\[\\s\\S]|[^\"\\\\]++)*+\"|'[^']*+'|[\\d.]+)");

    /** What changes a variable in any way where a command begins, or behind what one can begin behind. */
    private static final Pattern CHANGE =
            Pattern.compile("[({\"]*([A-Za-z_]\\w*)(?:\\[[^]]*])?\\+?=.*", Pattern.DOTALL);

    /** What changes one of PowerShell's: an assignment, one that adds or one to an element, or a call of a method. */
    private static final Pattern POWERSHELL_CHANGE =
            Pattern.compile("(?:^|[\\]({;])\\s*\\$(?:\\w+:)?(\\w+)(?:\\[[^]]*])?(?:\\s*[-+*/?]*=(?!=)|\\.\\w+\\()");

    private static final Pattern NAME = Pattern.compile("[$(%]*([A-Za-z_]\\w*)");

    /** Behind which a command runs that need not. */
    private static final Set<String> KEYWORDS =
            Set.of("then", "do", "else", "elif", "elseif", "if", "while", "until", "case", "for", "foreach", "{", "(");

    private static final Set<String> BEFORE_ASSIGNMENT =
            Set.of("export", "readonly", "declare", "local", "typeset", "set");

    /** Commands whose words name variables that they change. */
    private static final Set<String> CHANGING =
            Set.of("read", "unset", "for", "foreach", "select", "getopts", "mapfile", "readarray");

    private final Map<String, String> values = new HashMap<>();
    private final Set<String> uncertain = new HashSet<>();
    /** How many of each are open: then, do, case, braces and parentheses. */
    private final Map<String, Integer> open = new HashMap<>();

    private ShellVariables() {}

    /** Those that {@code commands} set. */
    static Map<String, String> of(List<List<Word>> commands) {
        ShellVariables variables = new ShellVariables();
        commands.forEach(variables::add);
        return variables.values;
    }

    private void add(List<Word> command) {
        boolean inside = isInside();
        nest(command);
        Map<String, Word> set = inside || isInside() ? Map.of() : assignments(command);
        if (set.isEmpty()) {
            changed(command).forEach(this::loses);
        }
        set.forEach((name, word) -> {
            String value = String.join(" ", word.with(values));
            boolean plain = value.chars().noneMatch(c -> "$`%!".indexOf(c) >= 0)
                    && !word.written().startsWith("(");
            String before = values.get(name);
            if (!plain || uncertain.contains(name) || (before != null && !before.equals(value))) {
                loses(name);
            } else {
                values.put(name, value);
            }
        });
    }

    private void loses(String name) {
        uncertain.add(name);
        values.remove(name);
    }

    private boolean isInside() {
        return open.values().stream().anyMatch(count -> count > 0);
    }

    /** Counts what {@code command} opens and closes. */
    private void nest(List<Word> command) {
        switch (command.get(0).written()) {
            case "then" -> open("then", 1);
            // It has a then of its own and no end.
            case "elif", "fi" -> open("then", -1);
            case "do" -> open("do", 1);
            case "done" -> open("do", -1);
            case "esac" -> open("case", -1);
            default -> {}
        }
        for (int i = 0; i < command.size(); i++) {
            boolean in = i + 2 < command.size() && command.get(i + 2).written().equals("in");
            if (in && command.get(i).written().equals("case")) {
                open("case", 1);
            }
            String word = command.get(i).unquoted();
            open("{", count(word, '{') - count(word, '}'));
            // A pattern of a case has one that closes alone.
            open("(", count(word, '(') - count(word, ')'));
        }
    }

    private void open(String what, int more) {
        open.merge(what, Math.max(0, more), (count, added) -> Math.max(0, count + more));
    }

    private static int count(String word, char wanted) {
        return (int) word.chars().filter(c -> c == wanted).count();
    }

    /** What a command sets that does nothing else; none of another. */
    private static Map<String, Word> assignments(List<Word> command) {
        Matcher powershell = POWERSHELL.matcher(joined(command));
        if (powershell.matches()) {
            return Map.of(powershell.group(1), new Word(powershell.group(2)));
        }
        Map<String, Word> set = new HashMap<>();
        String first = command.get(0).written().toLowerCase(Locale.ROOT);
        for (Word word : command.subList(BEFORE_ASSIGNMENT.contains(first) ? 1 : 0, command.size())) {
            // As set "NAME=value" is in quotes as a whole.
            Matcher assignment = ASSIGNMENT.matcher(first.equals("set") ? word.text() : word.written());
            if (!assignment.matches()) {
                return Map.of();
            }
            set.put(assignment.group(1), new Word(assignment.group(2)));
        }
        return set;
    }

    private static String joined(List<Word> command) {
        return String.join(" ", command.stream().map(Word::written).toList());
    }

    /** The names of what a command may change. */
    private static List<String> changed(List<Word> command) {
        List<String> names = new ArrayList<>();
        Matcher powershell = POWERSHELL_CHANGE.matcher(joined(command));
        while (powershell.find()) {
            names.add(powershell.group(1));
        }
        boolean begins = true;
        boolean changing = false;
        for (Word word : command) {
            String written = word.written().toLowerCase(Locale.ROOT);
            String name = begins ? name(CHANGE, word) : null;
            name = name == null && changing ? name(NAME, word) : name;
            if (name != null) {
                names.add(name);
            }
            changing |= CHANGING.contains(written);
            begins = (begins && (name != null || written.startsWith("/") || written.startsWith("-")))
                    || KEYWORDS.contains(written)
                    || BEFORE_ASSIGNMENT.contains(written)
                    || written.endsWith(")")
                    || written.endsWith("{");
        }
        return names;
    }

    private static @Nullable String name(Pattern pattern, Word word) {
        Matcher matcher = pattern.matcher(word.written());
        return matcher.matches() ? matcher.group(1) : null;
    }
}
