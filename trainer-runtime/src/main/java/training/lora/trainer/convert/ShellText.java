package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Divides a script into commands and their words, as far as trainers' command lines need it. */
final class ShellText {
    private static final Pattern REDIRECTION =
            Pattern.compile("(?:\\d*|&)(?:>>|>\\||<<<|<<-?|>|<)(?<to>&[\\d-]+|&?[ \\t]*)");

    /** What ends a here-document; a shift of numbers looks alike. */
    private static final Pattern DELIMITER = Pattern.compile("[A-Za-z_]\\w*");

    private final Shell shell;
    private final String text;
    private final Matcher matcher;
    private final ShellBlocks blocks;
    private final List<ShellCommand> commands = new ArrayList<>();
    private final List<ShellWord> words = new ArrayList<>();
    /** What ends each of the here-documents that begin behind this line. */
    private final List<String> documents = new ArrayList<>();

    private final List<String> contents = new ArrayList<>();

    private String joint = "\n";
    private int at;
    private int begin;
    private int end;

    private ShellText(Shell shell, String text) {
        this.shell = shell;
        this.text = text;
        matcher = shell.blank().matcher(text);
        blocks = new ShellBlocks(shell);
    }

    /** The commands of {@code text}, in their order; a here-document is none. */
    static List<ShellCommand> commands(Shell shell, String text) {
        ShellText reader = new ShellText(shell, text);
        reader.read();
        return reader.commands;
    }

    /** What its here-documents hold. */
    static List<String> documents(Shell shell, String text) {
        ShellText reader = new ShellText(shell, text);
        reader.read();
        return reader.contents;
    }

    private void read() {
        while (at < text.length()) {
            int here = at;
            if (takes(shell.blank()) || takes(shell.comment()) || (words.isEmpty() && takes(shell.beforeCommand()))) {
                continue;
            }
            if (takes(REDIRECTION)) {
                redirect();
            } else if (takes(shell.end())) {
                end(matcher.group());
            } else if (takes(shell.word())) {
                begin = words.isEmpty() ? here : begin;
                end = at;
                words.add(new ShellWord(shell, matcher.group()));
            } else {
                at++;
            }
        }
        end("\n");
    }

    private boolean takes(Pattern pattern) {
        boolean found = matcher.region(at, text.length()).usePattern(pattern).lookingAt();
        at = found ? matcher.end() : at;
        return found;
    }

    /** Passes over what stands behind a redirection. */
    private void redirect() {
        boolean document = shell == Shell.Posix && matcher.group().matches("\\d*<<-?[ \\t]*");
        boolean toFile = !matcher.group("to").matches("&[\\d-]+");
        if (toFile && takes(shell.word())) {
            String target = new ShellWord(shell, matcher.group()).text();
            if (document && DELIMITER.matcher(target).matches()) {
                documents.add(target);
            }
        }
    }

    private void end(String separator) {
        if (!words.isEmpty()) {
            List<ShellBlocks.Block> before = blocks.open();
            blocks.read(words);
            commands.add(new ShellCommand(text.substring(begin, end), words, joint, before, blocks.open()));
            words.clear();
            joint = separator;
        } else if (!ShellCommand.isJoined(joint)) {
            joint = separator;
        }
        if (separator.equals("\n")) {
            for (String document : documents) {
                Matcher last = Pattern.compile("(?m)^\\t*" + document + "[ \\t\\r]*(?=\\n|\\z)")
                        .matcher(text);
                boolean closed = last.find(at);
                contents.add(text.substring(at, closed ? last.start() : text.length()));
                at = closed ? last.end() : text.length();
            }
            documents.clear();
        }
    }
}
