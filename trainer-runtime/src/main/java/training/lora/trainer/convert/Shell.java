package training.lora.trainer.convert;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/** The language of a script: where its words end, and how quotes, escapes and variables stand in them. */
enum Shell {
    /** sh, bash and the like. A line may go on as in the other two as well, from which lines are pasted. */
    Posix,
    /** Windows' command line, which fills in variables before it divides a line into words. */
    Cmd,
    PowerShell;

    /** A pattern for each. */
    record Each(Pattern posix, Pattern cmd, Pattern powershell) {
        Each(String posix, String cmd, String powershell) {
            this(Pattern.compile(posix), Pattern.compile(cmd), Pattern.compile(powershell));
        }

        Pattern of(Shell shell) {
            return switch (shell) {
                case Posix -> posix;
                case Cmd -> cmd;
                case PowerShell -> powershell;
            };
        }
    }

    private static final String NEVER = "(?!)";

    private static final Each BLANK = new Each(
            "(?:[ \\t\\r\\f]|[\\\\`^][ \\t]*\\r?\\n)++",
            "(?:[ \\t\\r\\f]|\\^[ \\t]*\\r?\\n)++",
            "(?:[ \\t\\r\\f]|`[ \\t]*\\r?\\n|<#[\\s\\S]*?#>)++");

    private static final Each COMMENT = new Each("#[^\\n]*+", NEVER, "#[^\\n]*+");

    private static final Each BEFORE_COMMAND = new Each(NEVER, "@++|(?:::|(?i:rem)(?!\\S))[^\\n]*+", NEVER);

    private static final Each END = new Each("[;&|]++|\\n", "[&|]++|\\n", "[;&|]++|\\n");

    /** The key of the folder of a POSIX shell's script, which has no variable there. */
    static final String SCRIPT_FOLDER = "0_folder";

    private static final String SINGLE_QUOTES = "'[^']*+'";

    /** A command whose output is part of a word, with others within it. */
    private static final String OUTPUT = output(output(output("(?!)")));

    private static final String POSIX_QUOTES = doubleQuotes(OUTPUT) + "|" + SINGLE_QUOTES;

    private static final String POWERSHELL_QUOTES = "\"(?:`[\\s\\S]|\"\"|[^\"`]++)*+\"|'(?:''|[^']++)*+'";

    /** A quote of Windows' command line ends with its line at the latest; PowerShell has texts of several lines too. */
    private static final Each QUOTED = new Each(
            POSIX_QUOTES + "|`[^`\\r\\n]*+`|\\\\[^\\r\\n]",
            "\"[^\"\\r\\n]*+\"?|\\^(?![ \\t]*\\r?\\n)[^\\r\\n]",
            "@\"\\r?\\n[\\s\\S]*?\\n\"@|@'\\r?\\n[\\s\\S]*?\\n'@|" + POWERSHELL_QUOTES
                    + "|`(?![ \\t]*\\r?\\n)[^\\r\\n]");

    /** Without going back, so that a long word takes no stack. What makes a line go on is none of it. */
    private static final Each WORD = new Each(
            "(?:" + QUOTED.posix() + "|" + OUTPUT + "|[`^](?![ \\t]*\\r?\\n)|\\$|[^\\s\"'\\\\;&|<>`^$]++)++",
            "(?:" + QUOTED.cmd() + "|[^\\s\"&|<>^]++)++",
            "(?:" + QUOTED.powershell() + "|[^\\s\"'`;&|<>]++)++");

    private static final Each PIECE = new Each(
            POSIX_QUOTES + "|(?:\\\\[\\s\\S]|" + OUTPUT + "|\\$|[^\"'\\\\$]++)++|[\\s\\S]",
            "\"[^\"]*+\"?|(?:\\^[\\s\\S]|[^\"^]++)++|[\\s\\S]",
            POWERSHELL_QUOTES + "|(?:`[\\s\\S]|[^\"'`]++)++|[\\s\\S]");

    /** In PowerShell what stands behind a point, a colon or a bracket may choose a part of it or be of its name. */
    private static final Each VARIABLE =
            new Each("\\$\\{\\w+}|\\$\\w+", "%~(?i:dp)0|(?<!%)%\\w+%", "\\$\\{\\w+}|\\$\\w++(?![:\\[]\\S)");

    private static final Each LINE = new Each(NEVER, VARIABLE.cmd() + "|%%(?!\\w)", NEVER);

    private static final Each OUTSIDE_QUOTES =
            new Each(VARIABLE.posix() + "|\\\\[\\s\\S]", "\\^[\\s\\S]", VARIABLE.powershell() + "|`[\\s\\S]");

    private static final Each IN_QUOTES =
            new Each(VARIABLE.posix() + "|\\\\(?:\\r?\\n|[\\\\\"$`])", NEVER, VARIABLE.powershell() + "|[`\"][\\s\\S]");

    /** In a POSIX shell one of Windows' too, for lines that are pasted; two hexadecimal digits are of an address. */
    private static final Each UNSET = new Each(
            "\\$[\\w{(@*#?!$]|`|(?<!%)%[A-Za-z_]\\w*%(?![0-9A-Fa-f]{2})",
            "%[^%\\r\\n]+%|%~?\\w*\\d|%%\\w|%\\*|!\\w+!", "\\$[\\w{(?^$]|^@\\w");

    private static final Pattern CMD_TEXT = Pattern.compile("(?im)^[ \\t]*+@?(?:echo off\\b|set +\"?\\w++=)");

    private static final Pattern POWERSHELL_TEXT = Pattern.compile("(?m)^[ \\t]*+\\$\\w++\\s*+=");

    /** The one of a script by its file's name; where that names none, by its {@code text}. */
    static Shell of(Path file, String text) {
        String name = file.toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".bat") || name.endsWith(".cmd")) {
            return Cmd;
        }
        if (name.endsWith(".ps1")) {
            return PowerShell;
        }
        if (name.endsWith("sh")) {
            return Posix;
        }
        if (POWERSHELL_TEXT.matcher(text).find()) {
            return PowerShell;
        }
        return CMD_TEXT.matcher(text).find() && !text.contains("$") ? Cmd : Posix;
    }

    private static String doubleQuotes(String output) {
        return "\"(?:\\\\[\\s\\S]|" + output + "|\\$|[^\"\\\\$]++)*+\"";
    }

    private static String output(String within) {
        return "\\$\\((?!\\()(?:" + doubleQuotes(within) + "|" + SINGLE_QUOTES + "|" + within
                + "|\\$(?!\\()|\\\\[^\\r\\n]|[^\"'()\\\\$\\r\\n]++)*+\\)";
    }

    /** Blanks, and ends of lines that go on. */
    Pattern blank() {
        return BLANK.of(this);
    }

    /** A comment where a word could begin, to the end of its line, which doesn't go on. */
    Pattern comment() {
        return COMMENT.of(this);
    }

    /** What is no word where a command begins: a comment, or what keeps the command from being shown. */
    Pattern beforeCommand() {
        return BEFORE_COMMAND.of(this);
    }

    /** What ends a command. */
    Pattern end() {
        return END.of(this);
    }

    /** A word with its quotes. */
    Pattern word() {
        return WORD.of(this);
    }

    /** What is in quotes or escaped. */
    Pattern quoted() {
        return QUOTED.of(this);
    }

    /** What a word consists of: texts in quotes, and what is between them. */
    Pattern piece() {
        return PIECE.of(this);
    }

    /** A variable with what marks it. */
    Pattern variable() {
        return VARIABLE.of(this);
    }

    /** Variables, and escaped characters, which a line has before it is divided into words. */
    Pattern line() {
        return LINE.of(this);
    }

    /** Variables and escaped characters outside of quotes. */
    Pattern outsideQuotes() {
        return OUTSIDE_QUOTES.of(this);
    }

    /** Variables and escaped characters in quotes. */
    Pattern inQuotes() {
        return IN_QUOTES.of(this);
    }

    /** What of a text is to be filled in by the shell: a variable, a command's output, or the script's arguments. */
    Pattern unset() {
        return UNSET.of(this);
    }

    /** The name of a variable by which it is known, which may be written in several ways. */
    String key(String name) {
        return this == Posix ? name : name.toLowerCase(Locale.ROOT);
    }

    /**
     * Variables that the script {@code file} has before it sets any, by their keys, of those that lead to folders.
     *
     * @param from the folder in which it is started, absolute
     */
    Map<String, String> given(Path file, Path from) {
        String folder = file.toAbsolutePath().resolveSibling("").toString();
        String started = from.toString();
        return switch (this) {
            case Posix ->
                Map.of("HOME", System.getProperty("user.home", "~"), SCRIPT_FOLDER, folder, current(), started);
            case Cmd -> Map.of("~dp0", folder + "/", current(), started);
            case PowerShell -> Map.of("psscriptroot", folder, current(), started);
        };
    }

    /** The key of the variable that is the folder in which a command runs. */
    String current() {
        return this == Posix ? "PWD" : this == Cmd ? "cd" : "pwd";
    }

    /** A path with the separators of this program's own. */
    String path(String written) {
        return this == Posix ? written : written.replace('\\', '/');
    }
}
