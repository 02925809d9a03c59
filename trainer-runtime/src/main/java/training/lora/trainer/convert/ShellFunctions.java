package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Functions of a script that don't hold the target of {@code flow}: what stands in one runs where it is called alone.
 *
 * @param names theirs
 * @param within indices of commands that stand in one
 */
record ShellFunctions(ShellFlow flow, Set<String> names, Set<Integer> within) {
    private static final String NAME = "([\\w:.-]+)";

    private static final Pattern POSIX =
            Pattern.compile("(?:function\\s+" + NAME + "|" + NAME + "\\s*\\(\\s*\\))[\\s\\S]*");

    private static final Pattern POWERSHELL = Pattern.compile("(?i:function)\\s+()" + NAME + "[\\s\\S]*");

    static ShellFunctions of(ShellFlow flow) {
        ShellFunctions functions = new ShellFunctions(flow, new TreeSet<>(), new TreeSet<>());
        if (flow.shell() != Shell.Cmd) {
            IntStream.range(0, flow.commands().size()).forEach(functions::read);
        }
        return functions;
    }

    private void read(int i) {
        ShellCommand command = flow.commands().get(i);
        Matcher definition = (flow.shell() == Shell.Posix ? POSIX : POWERSHELL).matcher(command.written());
        if (!definition.matches()) {
            return;
        }
        // Its body may begin behind the end of the line.
        List<ShellBlocks.Block> opened = opened(command);
        if (opened.isEmpty()
                && !command.written().contains("{")
                && i + 1 < flow.commands().size()) {
            opened = opened(flow.commands().get(i + 1));
        }
        if (!opened.isEmpty() && flow.isInside(opened.get(0))) {
            return;
        }
        String first = definition.group(1);
        names.add(first == null || first.isEmpty() ? definition.group(2) : first);
        within.add(i);
        for (int other = i + 1; other < flow.commands().size() && !opened.isEmpty(); other++) {
            if (flow.commands().get(other).before().contains(opened.get(0))) {
                within.add(other);
            }
        }
    }

    private static List<ShellBlocks.Block> opened(ShellCommand command) {
        List<ShellBlocks.Block> opened = new ArrayList<>(command.after());
        opened.removeAll(command.before());
        return opened;
    }

    /** Whether the command {@code i} stands in one. */
    boolean isIn(int i) {
        return within.contains(i);
    }

    /** What may run where the command {@code i} calls one: all that stands in any, as one may call another. */
    List<ShellCommand> called(int i) {
        boolean calls =
                !isIn(i) && flow.commands().get(i).words().stream().anyMatch(word -> names.contains(word.text()));
        return calls ? within.stream().map(flow.commands()::get).toList() : List.of();
    }
}
