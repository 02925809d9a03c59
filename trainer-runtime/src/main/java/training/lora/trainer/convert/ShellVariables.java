package training.lora.trainer.convert;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The variables that a script sets to one value by the time a command of it runs, whichever others run. What is set in two ways,
 * or where it need not be, is added to, is a list or may be changed by what stands elsewhere has no value that is certain.
 */
final class ShellVariables {
    private static final Pattern POSIX = Pattern.compile("([A-Za-z_]\\w*)=(.*)", Pattern.DOTALL);

    /** All behind the sign of equality, unless a quote before the name ends it. */
    private static final Pattern CMD =
            Pattern.compile("(?i)set\\s+(?:\"(\\w+)=([^\"]*)\".*|(\\w+)=(.*))", Pattern.DOTALL);

    private static final Pattern POWERSHELL = Pattern.compile("(?:\\[[\\w.]+]\\s*)?\\$(\\w+)\\s*=\\s*"
            + "(\"(?:`[\\s\\S]|\"\"|[^\"`]++)*+\"|'(?:''|[^']++)*+'|[-+]?[\\d.]+(?:[eE][-+]?\\d+)?)");

    private final ShellFlow flow;
    private final Map<String, String> values;
    private final Set<String> uncertain = new HashSet<>();

    private ShellVariables(ShellFlow flow, Map<String, String> given) {
        this.flow = flow;
        values = new HashMap<>(given);
    }

    /**
     * Those that the target of {@code flow} has, by their keys.
     *
     * @param given those that there are without the script
     */
    static Map<String, String> of(ShellFlow flow, Map<String, String> given) {
        ShellVariables variables = new ShellVariables(flow, given);
        for (int i = 0; i < flow.reach(); i++) {
            ShellCommand command = flow.commands().get(i);
            if (i < flow.target() && ShellChanges.isAny(flow.shell(), command)) {
                Set.copyOf(variables.values.keySet()).stream()
                        .filter(key -> !given.containsKey(key))
                        .forEach(variables::loses);
            }
            if (i != flow.target() && ShellFolder.moves(flow.shell(), command)) {
                variables.loses(flow.shell().current());
            }
            if (!flow.isSeen(i) || !variables.sets(command)) {
                ShellChanges.names(flow.shell(), command).stream()
                        .map(flow.shell()::key)
                        .forEach(variables::loses);
            }
        }
        return Map.copyOf(variables.values);
    }

    /** Takes over what {@code command} sets where it does nothing else and all values are plain; false where it isn't so. */
    private boolean sets(ShellCommand command) {
        Shell shell = flow.shell();
        Map<String, String> set = new LinkedHashMap<>();
        Map<String, String> known = new HashMap<>(values);
        for (Map.Entry<String, String> assignment : assignments(command).entrySet()) {
            String value = new ShellWord(shell, assignment.getValue()).value(known);
            boolean escaped = shell == Shell.Cmd && value.matches("(?s).*[\\^!].*");
            if (escaped
                    || assignment.getValue().startsWith("(")
                    || shell.unset().matcher(value).find()) {
                return false;
            }
            set.put(shell.key(assignment.getKey()), value);
            known.putAll(set);
        }
        set.forEach((key, value) -> {
            String before = values.put(key, value);
            if (uncertain.contains(key) || (before != null && !before.equals(value))) {
                loses(key);
            }
        });
        return !set.isEmpty();
    }

    private void loses(String key) {
        uncertain.add(key);
        values.remove(key);
    }

    /** What {@code command} sets, as it is written, where it does nothing else; else nothing. */
    private Map<String, String> assignments(ShellCommand command) {
        return switch (flow.shell()) {
            case Posix -> posix(command.words());
            case Cmd -> found(CMD.matcher(command.written()));
            case PowerShell -> found(POWERSHELL.matcher(command.written()));
        };
    }

    private static Map<String, String> posix(List<ShellWord> words) {
        Map<String, String> set = new LinkedHashMap<>();
        int first = ShellChanges.BEFORE_ASSIGNMENT.contains(words.get(0).written()) ? 1 : 0;
        for (ShellWord word : words.subList(first, words.size())) {
            Matcher assignment = POSIX.matcher(word.written());
            if (!assignment.matches()) {
                return Map.of();
            }
            set.put(assignment.group(1), assignment.group(2));
        }
        return set;
    }

    /** The name and the value in the groups of one of the alternatives. */
    private static Map<String, String> found(Matcher matcher) {
        if (!matcher.matches()) {
            return Map.of();
        }
        int group = matcher.group(1) != null ? 1 : 3;
        return Map.of(matcher.group(group), matcher.group(group + 1));
    }
}
