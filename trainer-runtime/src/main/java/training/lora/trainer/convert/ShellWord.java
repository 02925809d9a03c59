package training.lora.trainer.convert;

import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A word of a script as it is written. */
record ShellWord(Shell shell, String written) {
    /** A folder of its user that a POSIX shell fills in. */
    private static final Pattern HOME = Pattern.compile("^~(?=/|$)");

    private static final String SCRIPT = "\\$(?:0|BASH_SOURCE|\\{(?:0|BASH_SOURCE(?:\\[0])?)})";

    private static final String RESOLVED = "\\$\\(\\s*(?:readlink\\s+-f|realpath)\\s+(?:--\\s+)?";

    /** The folder of the script in a POSIX shell, in common ways to write it; maybe relative. */
    private static final String DIRNAME = "(?:\\$\\(\\s*dirname\\s+(?:--\\s+)?\"?(?:" + SCRIPT + "|" + RESOLVED + "\"?"
            + SCRIPT + "\"?\\s*\\))\"?\\s*\\)|\\$\\{(?:0|BASH_SOURCE(?:\\[0])?)%/\\*})";

    private static final String PRINTED = "pwd(?:\\s+-[LP])?";

    private static final String SILENT = "(?:\\s*&?>\\s*/dev/null(?:\\s+2>&1)?)?";

    /** The same, and folders that are told from it. */
    private static final Pattern OWN = Pattern.compile("\\$\\(\\s*cd\\s+(?:-[LP]\\s+)?(?:--\\s+)?\"?" + DIRNAME
            + "\"?(?<below>/[^\"$`\\s)]*)?\"?" + SILENT + "\\s*(?:&&|;)\\s*" + PRINTED + "\\s*\\)|" + RESOLVED + "\"?"
            + DIRNAME + "\"?\\s*\\)|" + DIRNAME);

    /** The folder in which the command runs. */
    private static final Pattern CURRENT = Pattern.compile("\\$\\(\\s*" + PRINTED + "\\s*\\)|`" + PRINTED + "`");

    /** An element or a member of a variable in PowerShell. */
    private static final Pattern PART = Pattern.compile("\\$\\w+[.\\[][\\s\\S]*");

    /** What of it isn't in quotes or escaped. */
    String unquoted() {
        return shell.quoted().matcher(written).replaceAll("");
    }

    /** It without its quotes; variables stay as they are. */
    String text() {
        return withoutQuotes(written, Map.of());
    }

    /** The value that it gives to a variable, with {@code variables} in their places. Those that are unknown stay as they are. */
    String value(Map<String, String> variables) {
        return switch (shell) {
            case Posix -> withoutQuotes(posix(), variables);
            case Cmd -> replaced(shell.line(), written, variables);
            case PowerShell -> PART.matcher(written).matches() ? written : withoutQuotes(written, variables);
        };
    }

    /** It with variables in the places of commands that give a folder. */
    private String posix() {
        if (written.startsWith("'")) {
            return written;
        }
        String own = OWN.matcher(HOME.matcher(written).replaceFirst("\\$HOME"))
                .replaceAll("\\${" + Shell.SCRIPT_FOLDER + "}${below}");
        return CURRENT.matcher(own).replaceAll("\\${" + shell.current() + "}");
    }

    /** The arguments that it is with {@code variables} in their places: in quotes it is one, else it may be several or none. */
    List<String> with(Map<String, String> variables) {
        String value = value(variables);
        if (shell == Shell.Cmd) {
            return shell.word()
                    .matcher(value)
                    .results()
                    .map(word -> new ShellWord(shell, word.group()).text())
                    .toList();
        }
        if (value.equals(written) || !shell.variable().matcher(written).matches()) {
            return List.of(value);
        }
        if (value.isBlank()) {
            return List.of();
        }
        return shell == Shell.PowerShell
                ? List.of(value)
                : List.of(value.strip().split("\\s+"));
    }

    private String withoutQuotes(String from, Map<String, String> variables) {
        StringBuilder text = new StringBuilder();
        Matcher pieces = shell.piece().matcher(from);
        while (pieces.find()) {
            String piece = pieces.group();
            char first = piece.charAt(0);
            boolean closed = piece.length() > 1 && piece.endsWith(String.valueOf(first));
            String inside = piece.substring(1, closed ? piece.length() - 1 : piece.length());
            if (first == '"') {
                text.append(replaced(shell.inQuotes(), inside, variables));
            } else if (first == '\'' && shell != Shell.Cmd) {
                text.append(inside.replace("''", "'"));
            } else {
                text.append(replaced(shell.outsideQuotes(), piece, variables));
            }
        }
        return text.toString();
    }

    private String replaced(Pattern pattern, String from, Map<String, String> variables) {
        return pattern.matcher(from)
                .replaceAll(found -> Matcher.quoteReplacement(replacement(found.group(), variables)));
    }

    /** A variable's value, or an escaped character without what escapes it; of an end of a line nothing. */
    private String replacement(String found, Map<String, String> variables) {
        if (shell.variable().matcher(found).matches()) {
            return variables.getOrDefault(shell.key(found.replaceAll("[^\\w~]", "")), found);
        }
        return found.endsWith("\n") ? "" : found.substring(1);
    }
}
