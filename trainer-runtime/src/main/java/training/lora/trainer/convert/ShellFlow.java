package training.lora.trainer.convert;

import java.util.List;
import java.util.regex.Pattern;

/**
 * Which commands of a script surely run before one of them.
 *
 * @param target that one's index
 */
record ShellFlow(Shell shell, List<ShellCommand> commands, int target) {
    /** What fails where a script is of use as well, so that what stands behind it and && need not run. */
    private static final Pattern TEST = Pattern.compile(
            "(?i)[({]*\\s*(?:(?:then|do|else|[({])\\s+)*(?:!|\\[|\\(\\(|(?:test|if|elif|while|until|for|case|false|let|[ef]?grep|findstr"
                    + "|command|type|hash|which|where|test-path|cmp|diff|pgrep|read|expr)\\b)[\\s\\S]*");

    /** What closes the block before it, where a command begins with it. */
    private static final Pattern CLOSING = Pattern.compile("[)}].*|else|elif|fi|done|esac");

    /** Passes over commands, unless it ends the script, which leaves nothing to ask. */
    private static final Pattern JUMP = Pattern.compile("(?i)\\bgoto\\s*:?(?!\\s*:?eof\\b)");

    ShellFlow {
        commands = List.copyOf(commands);
    }

    /** The target. */
    ShellCommand command() {
        return commands.get(target);
    }

    /** What surely runs before the command {@code index} of the same script. */
    ShellFlow before(int index) {
        return new ShellFlow(shell, commands, index);
    }

    /** Blocks in which the target runs, outermost first. */
    private List<ShellBlocks.Block> inside() {
        boolean closes = CLOSING.matcher(command().words().get(0).written()).matches();
        return closes ? command().around() : command().before();
    }

    /** Whether {@code block} holds the target. */
    boolean isInside(ShellBlocks.Block block) {
        return inside().contains(block);
    }

    /** How many of the commands, from the first on, may run before the target: all where it may run again, or be called. */
    int reach() {
        return shell == Shell.Cmd || !command().around().isEmpty() ? commands.size() : target + 1;
    }

    /**
     * Whether the command {@code i} runs before the target whichever of the script's branches run, and in the same shell: it stands
     * before it, in no block that doesn't hold the target too, in no arm of a case, neither piped nor behind a condition or a jump.
     */
    boolean isSure(int i) {
        if (i >= target) {
            return false;
        }
        ShellCommand command = commands.get(i);
        List<ShellBlocks.Block> around = command.after();
        boolean within = starts(around, command.before())
                && starts(inside(), around)
                && around.stream().noneMatch(block -> block.kind().equals("case"));
        boolean piped = commands.get(i + 1).joint().matches("\\|&?");
        boolean passed = shell == Shell.Cmd && isPassed(i);
        return within && !piped && !passed && !isConditional(i);
    }

    private static boolean starts(List<ShellBlocks.Block> blocks, List<ShellBlocks.Block> outer) {
        return outer.size() <= blocks.size() && outer.equals(blocks.subList(0, outer.size()));
    }

    /**
     * Whether the target has the variables that the command {@code i} sets, and surely: Windows' command line fills in those of a
     * line or a block before it runs any of it.
     */
    boolean isSeen(int i) {
        return isSure(i)
                && (shell != Shell.Cmd
                        || (commands.get(i).before().isEmpty()
                                && commands.subList(i + 1, target + 1).stream()
                                        .anyMatch(command -> command.joint().equals("\n"))));
    }

    /** Whether a jump or a condition of Windows' command line, which holds for the rest of its line, may pass over it. */
    private boolean isPassed(int i) {
        for (int before = i; before > 0 && !commands.get(before).joint().equals("\n"); before--) {
            String first = commands.get(before - 1).words().get(0).written();
            if (first.equalsIgnoreCase("if") || first.equalsIgnoreCase("for")) {
                return true;
            }
        }
        return commands.subList(0, i).stream()
                .anyMatch(command -> JUMP.matcher(command.written()).find());
    }

    private boolean isConditional(int i) {
        if (!commands.get(i).joint().equals("&&")) {
            return ShellCommand.isJoined(commands.get(i).joint());
        }
        boolean leads = commands.subList(i + 1, target + 1).stream()
                .allMatch(command -> command.joint().equals("&&"));
        boolean sure = i > 0 && !TEST.matcher(commands.get(i - 1).written()).matches() && !isConditional(i - 1);
        return !leads && !sure;
    }
}
