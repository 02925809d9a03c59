package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;

/**
 * Which blocks of a script are open: branches, loops, cases, braces and parentheses. A script that closes what isn't open, as a
 * case's pattern does, changes nothing by it.
 */
final class ShellBlocks {
    /**
     * One of a script.
     *
     * @param kind what opens it: then, do, case, a brace or a parenthesis
     * @param number counts those of the script, so that two of a kind are not the same
     */
    record Block(String kind, int number) {}

    private final Shell shell;
    private final List<Block> open = new ArrayList<>();
    private int count;

    ShellBlocks(Shell shell) {
        this.shell = shell;
    }

    /** Those that are open, outermost first. */
    List<Block> open() {
        return List.copyOf(open);
    }

    /** Opens and closes what the command of {@code words} does. */
    void read(List<ShellWord> words) {
        if (shell == Shell.Posix) {
            keywords(words);
        }
        for (ShellWord word : words) {
            for (char c : word.unquoted().toCharArray()) {
                switch (c) {
                    case '{' -> open("{");
                    case '}' -> close("{");
                    case '(' -> open("(");
                    case ')' -> close("(");
                    default -> {}
                }
            }
        }
    }

    private void keywords(List<ShellWord> words) {
        switch (words.get(0).written()) {
            case "then" -> open("then");
            case "else" -> {
                close("then");
                open("then");
            }
            // It has a then of its own and no end.
            case "elif", "fi" -> close("then");
            case "do" -> open("do");
            case "done" -> close("do");
            case "esac" -> close("case");
            default -> {}
        }
        for (int i = 0; i + 2 < words.size(); i++) {
            if (words.get(i).written().equals("case")
                    && words.get(i + 2).written().equals("in")) {
                open("case");
            }
        }
    }

    private void open(String kind) {
        open.add(new Block(kind, count++));
    }

    /** The last of its kind. */
    private void close(String kind) {
        for (int i = open.size() - 1; i >= 0; i--) {
            if (open.get(i).kind().equals(kind)) {
                open.remove(i);
                return;
            }
        }
    }
}
