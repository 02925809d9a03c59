package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;

/**
 * A command of a script.
 *
 * @param written it as it is written, from its first word to its last
 * @param words its words, without redirections and comments
 * @param joint what ends the command before it, such as a line's end or {@code &&}
 * @param before blocks that are open where it begins, outermost first
 * @param after those that are where it ends
 */
record ShellCommand(
        String written,
        List<ShellWord> words,
        String joint,
        List<ShellBlocks.Block> before,
        List<ShellBlocks.Block> after) {

    ShellCommand {
        words = List.copyOf(words);
        before = List.copyOf(before);
        after = List.copyOf(after);
    }

    /** Whether it belongs to the command before it, which may keep it from running or run beside it. */
    static boolean isJoined(String joint) {
        return joint.equals("&&") || joint.contains("|");
    }

    /** Its words, the last one without parentheses at its end that close what isn't opened in that word. */
    List<ShellWord> arguments() {
        // Windows' command line has them as characters where none is open.
        if (words.get(0).shell() == Shell.Cmd
                && before.stream().noneMatch(block -> block.kind().equals("("))) {
            return words;
        }
        List<ShellWord> arguments = new ArrayList<>(words);
        ShellWord last = arguments.remove(words.size() - 1);
        String written = last.written();
        int left = last.unquoted()
                .chars()
                .map(c -> c == ')' ? 1 : c == '(' ? -1 : 0)
                .sum();
        while (left > 0 && last.unquoted().endsWith(")") && written.endsWith(")")) {
            written = written.substring(0, written.length() - 1);
            left--;
        }
        if (!written.isEmpty()) {
            arguments.add(new ShellWord(last.shell(), written));
        }
        return arguments;
    }

    /** Blocks that are open all through it. */
    List<ShellBlocks.Block> around() {
        int same = 0;
        while (same < Math.min(before.size(), after.size()) && before.get(same).equals(after.get(same))) {
            same++;
        }
        return before.subList(0, same);
    }
}
