package training.lora.trainer.convert;

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

    /** Blocks that are open all through it. */
    List<ShellBlocks.Block> around() {
        int same = 0;
        while (same < Math.min(before.size(), after.size()) && before.get(same).equals(after.get(same))) {
            same++;
        }
        return before.subList(0, same);
    }
}
