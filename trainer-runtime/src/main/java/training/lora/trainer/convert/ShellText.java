package training.lora.trainer.convert;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A script of a POSIX shell, of PowerShell or of Windows' command line as words, as far as trainers' command lines need it.
 *
 * @param commands each command's words, without redirections and comments
 * @param variables what commands that do nothing else set, each to one value in the whole script
 */
record ShellText(List<List<Word>> commands, Map<String, String> variables) {
    /** The ends of lines that go on in a POSIX shell, PowerShell and Windows' command line, and blanks. */
    private static final Pattern BLANK = Pattern.compile("(?:[ \\t\\r\\f]|[\\\\`^][ \\t]*\\r?\\n)++");

    /** To the end of its line, which doesn't go on. */
    private static final Pattern COMMENT = Pattern.compile("#[^\\n]*+");

    /** Where a command begins. */
    private static final Pattern WINDOWS_COMMENT = Pattern.compile("(?:::|REM )[^\\n]*+");

    private static final String QUOTED = "\"(?:\\\\[\\s\\S]|[^\"\\\\]++)*+\"|'[^']*+'|\\\\[^\\r\\n]";

    private static final Pattern QUOTES = Pattern.compile(QUOTED);

    /** Without going back, so that a long word takes no stack. What makes a line go on is none of it. */
    private static final Pattern WORD =
            Pattern.compile("(?:" + QUOTED + "|[`^](?![ \\t]*\\r?\\n)|[^\\s\"'\\\\;&|<>`^]++)++");

    private static final Pattern REDIRECTION =
            Pattern.compile("(?:\\d*|&)(?:>>|>\\||<<<|<<-?|>|<)(?:&[\\d-]+|&?[ \\t]*)");

    private static final Pattern END = Pattern.compile("[;&|]++|\\n");

    private static final String VARIABLE = "\\$\\{(\\w+)}|\\$(\\w+)|%(\\w+)%";

    private static final Pattern PART =
            Pattern.compile(VARIABLE + "|\"((?:\\\\.|[^\"\\\\]++)*+)\"|'([^']*+)'|\\\\(.)|(.)", Pattern.DOTALL);

    private static final Pattern PART_IN_QUOTES =
            Pattern.compile(VARIABLE + "|()()\\\\(?:\\r?\\n|([\\\\\"$`]))|(.)", Pattern.DOTALL);

    ShellText {
        commands = List.copyOf(commands);
        variables = Map.copyOf(variables);
    }

    /** Reads {@code text}. */
    static ShellText of(String text) {
        List<List<Word>> commands = commands(text);
        return new ShellText(commands, ShellVariables.of(commands));
    }

    private static List<List<Word>> commands(String text) {
        List<List<Word>> commands = new ArrayList<>();
        List<Word> command = new ArrayList<>();
        Matcher matcher = BLANK.matcher(text);
        int at = 0;
        while (at < text.length()) {
            matcher.region(at, text.length());
            boolean first = command.isEmpty();
            if (looking(matcher, BLANK) || looking(matcher, COMMENT) || (first && looking(matcher, WINDOWS_COMMENT))) {
                at = matcher.end();
            } else if (looking(matcher, REDIRECTION)) {
                at = matcher.end();
                boolean toFile = !Character.isDigit(text.charAt(at - 1)) && text.charAt(at - 1) != '-';
                matcher.region(at, text.length());
                if (toFile && looking(matcher, WORD)) {
                    at = matcher.end();
                }
            } else if (looking(matcher, END)) {
                at = matcher.end();
                commands.add(command);
                command = new ArrayList<>();
            } else if (looking(matcher, WORD)) {
                at = matcher.end();
                command.add(new Word(matcher.group()));
            } else {
                at++;
            }
        }
        commands.add(command);
        return commands.stream().filter(words -> !words.isEmpty()).toList();
    }

    private static boolean looking(Matcher matcher, Pattern pattern) {
        return matcher.usePattern(pattern).lookingAt();
    }

    /** A word as it is written. */
    record Word(String written) {
        /** What of it isn't in quotes or escaped. */
        String unquoted() {
            return QUOTES.matcher(written).replaceAll("");
        }

        /** It without its quotes; variables stay as they are. */
        String text() {
            return filled(PART, written, Map.of());
        }

        /** It with {@code variables} in their places: several words, or none, where it is one alone that isn't in quotes. */
        List<String> with(Map<String, String> variables) {
            String text = filled(PART, written, variables);
            if (text.equals(written) || !written.matches(VARIABLE)) {
                return List.of(text);
            }
            return text.isBlank() ? List.of() : List.of(text.strip().split("\\s+"));
        }

        private static String filled(Pattern parts, String written, Map<String, String> variables) {
            StringBuilder text = new StringBuilder();
            Matcher part = parts.matcher(written);
            while (part.find()) {
                text.append(part(part, variables));
            }
            return text.toString();
        }

        private static String part(MatchResult part, Map<String, String> variables) {
            for (int group = 1; group <= 3; group++) {
                if (part.group(group) != null) {
                    return variables.getOrDefault(part.group(group), part.group());
                }
            }
            if (part.group(7) != null) {
                return part.group(7);
            }
            if (part.group(6) != null) {
                return part.group(6);
            }
            return part.group(4) != null ? filled(PART_IN_QUOTES, part.group(4), variables) : part.group(5);
        }
    }
}
