package training.lora.trainer.convert;

import java.util.List;
import java.util.regex.Pattern;

/**
 * Which commands of a script surely run before one of them.
 *
 * @param target that one's index
 */
record ShellFlow(Shell shell, List<ShellCommand> commands, int target) {
    /** What doesn't fail where the script is of use, so that what stands behind it and && runs. */
    private static final Pattern SURE = Pattern.compile(
            "(?i)(?:cd|chdir|pushd|export|set|mkdir|git|pip|conda|source|\\.)\\s.*|\\w+=\\S*", Pattern.DOTALL);

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
        List<ShellBlocks.Block> around = command.before();
        List<ShellBlocks.Block> wanted = command().around();
        boolean within = around.size() <= wanted.size()
                && around.equals(wanted.subList(0, around.size()))
                && around.equals(command.after())
                && around.stream().noneMatch(block -> block.kind().equals("case"));
        boolean piped = commands.get(i + 1).joint().matches("\\|&?");
        boolean passed = shell == Shell.Cmd && isPassed(i);
        return within && !piped && !passed && !isConditional(i);
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
        boolean sure = i > 0 && SURE.matcher(commands.get(i - 1).written()).matches() && !isConditional(i - 1);
        return !leads && !sure;
    }
}
