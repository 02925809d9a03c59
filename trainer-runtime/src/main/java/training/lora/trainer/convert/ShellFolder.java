package training.lora.trainer.convert;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** The folder in which a command of a script runs, where relative paths begin. */
final class ShellFolder {
    /** Commands that lead to another. */
    private static final Set<String> MOVING =
            Set.of("cd", "chdir", "pushd", "popd", "set-location", "sl", "push-location", "pop-location");

    /** Behind which a command begins; a shell of its own, in parentheses, leads nowhere in a POSIX shell. */
    private static final Set<String> KEYWORDS = Set.of("then", "do", "else", "elif", "if", "while", "until", "{", "!");

    private static final Set<String> FLAGS = Set.of("--", "-p", "-l", "/d", "-path", "-literalpath");

    /** The script's own folder in a POSIX shell, in one of the ways to write it, and one below it. */
    private static final Pattern OWN = Pattern.compile("cd\\s+(?:--\\s+)?\"?\\$\\(\\s*dirname\\s+(?:--\\s+)?[\"\\s]*"
            + "(?:\\$\\(\\s*(?:readlink\\s+-f|realpath)\\s+[\"\\s]*)?"
            + "\\$\\{?(?:0|BASH_SOURCE(?:\\[0])?)}?[\"\\s]*\\)(?:\"?\\s*\\))?\"?(?<below>/[^\"$`]*)?\"?");

    private final ShellFlow flow;
    private final Path script;
    private final Map<String, String> given;

    private ShellFolder(ShellFlow flow, Path script) {
        this.flow = flow;
        this.script = script;
        given = flow.shell().given(script);
    }

    /**
     * That of the target of {@code flow}.
     *
     * @param script the script's file
     * @param from the folder in which the script is started, absolute
     * @throws TrainerException InvalidConfiguration where a command before it may lead to one that isn't known
     */
    static Path of(ShellFlow flow, Path script, Path from) {
        return new ShellFolder(flow, script).read(from);
    }

    private Path read(Path from) {
        Path folder = from;
        for (int i = 0; i < flow.target(); i++) {
            ShellCommand command = flow.commands().get(i);
            int at = moves(command);
            if (at >= 0) {
                String path = at == 0 && flow.isSure(i) ? path(i) : null;
                if (path == null) {
                    throw uncertain(command.written());
                }
                try {
                    folder = folder.resolve(path).normalize();
                } catch (InvalidPathException e) {
                    throw uncertain(command.written());
                }
            }
        }
        return folder;
    }

    private TrainerException uncertain(String written) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "%s: where `%s` leads must be certain, for paths begin there: write it out, or put the command line alone into a file, and start in that folder"
                        .formatted(script, written));
    }

    /** The place of the word by which {@code command} leads to another folder; -1 where it doesn't. */
    private int moves(ShellCommand command) {
        boolean apart = flow.shell() == Shell.Posix
                && command.before().stream()
                        .anyMatch(block -> block.kind().equals("(")
                                && !flow.command().around().contains(block));
        for (int i = 0; i < command.words().size() && !apart; i++) {
            boolean begins = i == 0
                    || KEYWORDS.contains(word(command, i - 1))
                    || (flow.shell() != Shell.Posix && List.of("if", "for").contains(word(command, 0)));
            if (begins && MOVING.contains(word(command, i).replaceFirst("^[({]+", ""))) {
                return flow.shell() == Shell.Posix && word(command, i).startsWith("(") ? -1 : i;
            }
        }
        return -1;
    }

    private static String word(ShellCommand command, int i) {
        return command.words().get(i).written().toLowerCase(Locale.ROOT);
    }

    /** The path to which the command {@code i} leads; null where that isn't certain. */
    private @Nullable String path(int i) {
        Shell shell = flow.shell();
        ShellCommand command = flow.commands().get(i);
        Matcher own = OWN.matcher(command.written());
        if (shell == Shell.Posix && own.matches()) {
            String below = own.group("below");
            return script.toAbsolutePath().resolveSibling("") + (below == null ? "" : below);
        }
        Map<String, String> variables = ShellVariables.of(flow.before(i), given);
        List<String> paths = command.words().stream()
                .skip(1)
                .filter(word -> !FLAGS.contains(word.written().toLowerCase(Locale.ROOT)))
                .flatMap(word -> word.with(variables).stream())
                .toList();
        if (paths.size() != 1
                || paths.get(0).isEmpty()
                || paths.get(0).matches("[-~].*|.*:.*")
                || shell.unset().matcher(paths.get(0)).find()) {
            return null;
        }
        return shell.path(paths.get(0));
    }
}
