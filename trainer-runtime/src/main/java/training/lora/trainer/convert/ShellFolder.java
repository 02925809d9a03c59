package training.lora.trainer.convert;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The folder in which a command of a script runs, where relative paths begin. */
final class ShellFolder {
    /** Commands that lead to another. */
    private static final Set<String> MOVING =
            Set.of("cd", "chdir", "pushd", "popd", "set-location", "sl", "push-location", "pop-location");

    /** Behind which a command begins. */
    private static final Set<String> KEYWORDS =
            Set.of("then", "do", "else", "elif", "if", "while", "until", "{", "(", "!");

    /** Those that open the block in which a command runs, and ask nothing. */
    private static final Set<String> OPENING = Set.of("then", "do", "{", "(");

    private static final Set<String> FLAGS = Set.of("--", "-p", "-l", "/d", "-path", "-literalpath");

    private final ShellFlow flow;
    private final Map<String, String> given;
    private final ShellFunctions functions;

    private ShellFolder(ShellFlow flow, Map<String, String> given) {
        this.flow = flow;
        this.given = given;
        functions = ShellFunctions.of(flow);
    }

    /**
     * Where paths of the target of {@code flow} lead. Its folder isn't known behind a command that may lead to one that isn't
     * certain, until another surely leads to an absolute one.
     *
     * @param script the script's file
     * @param places those from the folder in which the script is started
     */
    static Places of(ShellFlow flow, Path script, Places places) {
        return new ShellFolder(flow, flow.shell().given(script, places.from())).read(places);
    }

    private Places read(Places places) {
        Path folder = places.from();
        String unknown = places.unknown();
        for (int i = 0; i < flow.target(); i++) {
            ShellCommand command = flow.commands().get(i);
            ShellCommand moving = functions.called(i).stream()
                    .filter(inner -> moves(flow.shell(), inner))
                    .findFirst()
                    .orElse(command);
            int at = at(flow.shell(), command);
            boolean stays = moving == command && (at < 0 || functions.isIn(i) || isApart(command, at));
            if (stays) {
                continue;
            }
            String path = moving == command && isSure(i, at) ? path(i, at) : null;
            if (path == null) {
                unknown = "where `%s` leads isn't certain".formatted(moving.written());
            } else if (path.contains(":")) {
                unknown = "`%s` leads to a path with a colon, as one with a drive, which isn't read"
                        .formatted(moving.written());
            } else {
                boolean absolute = Path.of(path).isAbsolute();
                unknown = absolute ? null : unknown;
                folder = folder.resolve(path).normalize();
            }
        }
        return new Places(folder, unknown, places.to());
    }

    /** Whether {@code command} leads to another folder, in any of its shells. */
    static boolean moves(Shell shell, ShellCommand command) {
        return at(shell, command) >= 0;
    }

    /** The place of the word by which {@code command} leads to another folder; -1 where it doesn't. */
    private static int at(Shell shell, ShellCommand command) {
        for (int i = 0; i < command.words().size(); i++) {
            boolean begins = i == 0
                    || KEYWORDS.contains(word(command, i - 1))
                    || (shell != Shell.Posix && List.of("if", "for").contains(word(command, 0)));
            if (begins && MOVING.contains(word(command, i).replaceFirst("^[({]+", ""))) {
                return i;
            }
        }
        return -1;
    }

    /** Whether {@code command} runs in a shell of its own, in parentheses, which leads nowhere for a target outside of them. */
    private boolean isApart(ShellCommand command, int at) {
        if (flow.shell() != Shell.Posix) {
            return false;
        }
        boolean opens = word(command, at).startsWith("(")
                || (at > 0 && word(command, at - 1).equals("("));
        return (opens && command.before().equals(command.after()))
                || Stream.concat(command.before().stream(), command.after().stream())
                        .anyMatch(block -> block.kind().equals("(") && !flow.isInside(block));
    }

    /** Whether the command {@code i} surely leads to another folder by its word {@code at}. */
    private boolean isSure(int i, int at) {
        ShellCommand command = flow.commands().get(i);
        boolean asks = IntStream.range(0, at).anyMatch(before -> !OPENING.contains(word(command, before)));
        return !asks && flow.isSure(i);
    }

    private static String word(ShellCommand command, int i) {
        return command.words().get(i).written().toLowerCase(Locale.ROOT);
    }

    /** The path to which the command {@code i} leads; null where that isn't certain. */
    private @Nullable String path(int i, int at) {
        Shell shell = flow.shell();
        Map<String, String> variables = ShellVariables.of(flow.before(i), given);
        List<String> paths = flow.commands().get(i).arguments().stream()
                .skip(at + 1L)
                .filter(word -> !FLAGS.contains(word.written().toLowerCase(Locale.ROOT)))
                .flatMap(word -> word.with(variables).stream())
                .toList();
        if (paths.size() != 1
                || paths.get(0).isEmpty()
                || paths.get(0).indexOf('\0') >= 0
                || paths.get(0).matches("[-~].*")
                || shell.unset().matcher(paths.get(0)).find()) {
            return null;
        }
        return shell.path(paths.get(0));
    }
}
