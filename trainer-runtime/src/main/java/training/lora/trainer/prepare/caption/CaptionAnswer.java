package training.lora.trainer.prepare.caption;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import training.lora.api.PlainText;

/**
 * What a model that chats answered, as a caption. What it says around a caption is left out where it is known to be no part of
 * one: words to the person who asks, Markdown, quotes around all of it.
 *
 * @param text the caption; empty if there was none
 * @param cut whether it was more than the caption
 */
public record CaptionAnswer(String text, boolean cut) {
    private static final int FLAGS = Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE;

    private static final String YES = "(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|no problem|great)";

    /** "Sure!", "Certainly, here is a caption for the picture:", "Caption:"; and the same on a line of their own. */
    private static final Pattern BEFORE = Pattern.compile(
            "^(?:" + YES + "(?:[!.]+|,(?= *here)) *)?"
                    + "(?:here(?:'s| is| are| you go| it is)(?:\\b[^:\\n]{0,80}\\b"
                    + "(?:captions?|descriptions?|sentence|phrase|text|answer|suggestion)\\b[^:\\n]{0,60})?: *"
                    + "|(?:(?:the|a|an|my|possible|suggested|short|image|picture|photo|final) )*(?:caption|description)s?"
                    + "(?: (?:of|for) [^:\\n]{1,60})?: *)",
            FLAGS);

    /** On a line of its own, above others. */
    private static final Pattern YES_ALONE = Pattern.compile("^" + YES + "[!.,:]*$", FLAGS);

    /** Before a caption on its line: words that begin none. "OK! magazine" and "absolutely, positively" may. */
    private static final Pattern YES_BEFORE = Pattern.compile(
            "^(?:(?:sure(?: thing)?|certainly|of course|no problem)(?:!+ *|[!.]+(?: +|$)|$)|(?:sure|certainly|of course), )",
            FLAGS);

    /** What follows a caption, on lines of its own. */
    private static final Pattern AFTER = Pattern.compile(
            "^(?:let me know|feel free|please let me know|would you like|do you want|is there anything|i hope|hope this|"
                    + "if you(?:'d| would) like|if you need|note:).*",
            FLAGS);

    private static final Pattern HEADING = Pattern.compile("^#{1,6} +");

    private static final Pattern BULLET = Pattern.compile("^(?:[-*+•] +|1[.)] +)");

    private static final Pattern FENCE = Pattern.compile("(?s)^```[a-z]*\\n(.*?)\\n?```$", FLAGS);

    private static final Pattern EMPHASIS = Pattern.compile(
            "(?<![\\p{L}\\p{N}*_])(?:(\\*\\*\\*|\\*\\*|__|`)(?=\\S)(.+?)(?<=\\S)\\1|\\*(?=\\S)([^*]+?)(?<=\\S)\\*)"
                    + "(?!\\.?[\\p{L}\\p{N}*_])");

    private static final List<String> QUOTES = List.of("\"\"", "''", "“”", "‘’", "«»", "„“", "「」");

    /** An apostrophe at the beginning that is no quote: of a word without its first letters, or of a decade. */
    private static final Pattern ELISION = Pattern.compile("^(?:tis|twas|til|em|cause|n|round|[0-9]0s)\\b", FLAGS);

    /** What is quoted within a text: a picture's words, not the model's. */
    private static final Pattern QUOTED = Pattern.compile(
            "\"[^\"]*\"|“[^”]*”|«[^»]*»" + "|(?<![\\p{L}\\p{N}])['‘](?=\\S).+?(?<=\\S)'(?![\\p{L}\\p{N}])");

    private static final String AI =
            "an? (?:ai|artificial intelligence|large language model|language model|virtual assistant)\\b";

    private static final String CANNOT = "(?:can't|cannot|can not|couldn't|could not|won't|will not|don't|do not"
            + "|(?:am|'m|was) (?:unable|not able) to|wasn't able to)";

    /** What a model does that says it can't. */
    private static final String DOES =
            "(?:assist|help|identify|describe|provide|comply|view|see|process|analy[sz]e|caption|create|generate|fulfill?|continue|discuss|do that|recogni[sz]e|feel comfortable"
                    + "|answer|write|give|make|determine|tell|engage|access|have (?:the ability|access))";

    /** Where a sentence of its own begins: what is quoted in a picture is its caption's. */
    private static final String BEGINS = "(?:^|[.!?] |\\bhowever,? )";

    private static final String SORRY = "^(?:i(?:'m| am) |we(?:'re| are) )?(?:really |very |so )?sorry";

    /** What no caption says: a person who speaks, and can't. */
    private static final Pattern REFUSES = Pattern.compile(
            BEGINS + "i ?" + CANNOT + "(?: be able to)?(?: \\w+)? " + DOES + "\\b"
                    + "|" + BEGINS
                    + "i(?:'m| am) (?:really |very |so |truly )?(?:sorry|afraid)\\b[,.!]*(?: but)?(?: i\\b|$)"
                    + "|" + SORRY
                    + "(?:[,.!]+ *(?:but )?(?:i|we)\\b|[,.]+ *(?:but )?(?:this|that|it|the (?:image|picture|photo))\\b)"
                    // Whatever stands between, such as why.
                    + "|" + SORRY + "(?:[,.]| but\\b).{0,200}?\\b(?:i ?" + CANNOT + "|as " + AI + ")"
                    + "|^(?:i apologi[sz]e|my apologies|apologies,)"
                    + "|" + BEGINS
                    + "as " + AI
                    + "(?: (?:language model|assistant|model|system|developed by \\w+|trained by \\w+))*,? i\\b"
                    + "|" + BEGINS + "i(?:'m| am) (?:just |only )?" + AI
                    + "[^.!?]{0,80}? (?:can't|cannot|can not|unable|don't|do not)\\b"
                    + "|^(?:i(?:'m| am) )?(?:unable|not able) to " + DOES + "\\b"
                    + "|^unfortunately,? i\\b"
                    + "|^(?:there is |i see |i (?:do not|don't) see )?(?:no|any) (?:image|picture|photo) (?:was |is |has been )?(?:provided|attached|uploaded|to describe)"
                    + "|^please (?:provide|upload|share|attach) (?:the|an|a|your) (?:image|picture|photo)",
            FLAGS);

    /** The caption in what a model said. */
    public static CaptionAnswer of(String said) {
        String text = said.replace("\r\n", "\n").strip();
        Matcher fence = FENCE.matcher(text);
        String caption = PlainText.of(inner(fence.matches() ? fence.group(1).strip() : text));
        return new CaptionAnswer(caption, !caption.equals(PlainText.of(said)));
    }

    private static String inner(String said) {
        List<String> lines = Arrays.stream(said.split("\n"))
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .collect(Collectors.toList());
        if (lines.size() > 1 && HEADING.matcher(lines.get(0)).find()) {
            lines.remove(0);
        }
        if (lines.size() > 1 && YES_ALONE.matcher(straight(lines.get(0))).find()) {
            lines.remove(0);
        }
        while (lines.size() > 1
                && AFTER.matcher(straight(lines.get(lines.size() - 1))).matches()) {
            lines.remove(lines.size() - 1);
        }
        lines.replaceAll(CaptionAnswer::line);
        lines.removeIf(String::isEmpty);
        return quoted(String.join(" ", lines));
    }

    /** A line without Markdown and what is said before a caption; empty if nothing else is in it. */
    private static String line(String said) {
        String line = BULLET.matcher(HEADING.matcher(said).replaceFirst("")).replaceFirst("");
        line = EMPHASIS.matcher(line)
                .replaceAll(m -> Matcher.quoteReplacement(m.group(2) == null ? m.group(3) : m.group(2)));
        Matcher before = BEFORE.matcher(straight(line));
        if (before.find()) {
            return line.substring(before.end());
        }
        Matcher yes = YES_BEFORE.matcher(straight(line));
        return yes.find() ? line.substring(yes.end()) : line;
    }

    /** With the apostrophe that the patterns have; as long as before. */
    private static String straight(String text) {
        return text.replace('’', '\'');
    }

    /** Without quotes that are around all of it. */
    private static String quoted(String text) {
        String bare = text.endsWith("\".") || text.endsWith("”.") ? text.substring(0, text.length() - 1) : text;
        for (String pair : QUOTES) {
            if (bare.length() > 2
                    && bare.charAt(0) == pair.charAt(0)
                    && bare.charAt(bare.length() - 1) == pair.charAt(1)) {
                String in = bare.substring(1, bare.length() - 1);
                boolean one = in.indexOf(pair.charAt(0)) < 0
                        && in.indexOf(pair.charAt(1)) < 0
                        && !(pair.equals("''") && ELISION.matcher(in).find());
                return one ? in.strip() : text;
            }
        }
        return text;
    }

    /** Whether it is no caption, but the model's words that it gives none. */
    public static boolean refuses(String text) {
        String own = QUOTED.matcher(straight(PlainText.of(text))).replaceAll("\"\"");
        return REFUSES.matcher(own.toLowerCase(Locale.ROOT)).find();
    }
}
