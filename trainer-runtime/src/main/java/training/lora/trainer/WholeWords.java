package training.lora.trainer;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds words in upper case or lower that are not a part of other words. Where a script puts spaces between words, a word
 * ends where letters and digits do. Where it does not (Chinese, Japanese, Thai and their like), nothing tells one word
 * from the next, so that words of such a script are found only where none of its letters stand beside them; a word of
 * another script in such a text is found.
 */
public final class WholeWords {
    private static final String UNSPACED =
            "\\p{IsHan}\\p{IsHiragana}\\p{IsKatakana}\\p{IsBopomofo}\\p{IsThai}\\p{IsLao}\\p{IsKhmer}\\p{IsMyanmar}";

    /** Of scripts that put spaces between words, and what is of any script. */
    private static final String SPACED_LETTER = "[\\p{L}\\p{N}\\p{M}&&[^" + UNSPACED + "]]";

    private static final String UNSPACED_LETTER = "[" + UNSPACED + "]";

    private static final String ANY_LETTER = "[\\p{L}\\p{N}\\p{M}]";

    private static final Pattern COUNTED =
            Pattern.compile(UNSPACED_LETTER + "|[^\\s" + UNSPACED + "]*" + SPACED_LETTER + "[^\\s" + UNSPACED + "]*");

    /** Hold the parts of a compound together. */
    private static final String HYPHENS = "[-_\u2010\u2011]";

    private WholeWords() {}

    /** Finds {@code words}, also where a hyphen joins them to others. */
    public static Pattern of(String words) {
        return Pattern.compile(regex(words), Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
    }

    /** Whether {@code text} has {@code words}. */
    public static boolean in(String text, String words) {
        return of(words).matcher(text).find();
    }

    /** The same as a part of a pattern that heeds no case; not where a hyphen joins {@code words} to others, as in cat-like. */
    public static String uncompounded(String words) {
        return "(?<!" + ANY_LETTER + HYPHENS + ")" + regex(words) + "(?!" + HYPHENS + ANY_LETTER + ")";
    }

    /** How many words {@code text} has; where nothing tells them apart, two letters count as one. */
    public static int count(String text) {
        int words = 0;
        int letters = 0;
        for (Matcher m = COUNTED.matcher(text); m.find(); ) {
            if (m.group().matches(UNSPACED_LETTER)) {
                letters++;
            } else {
                words++;
            }
        }
        return words + (letters + 1) / 2;
    }

    private static String regex(String words) {
        return "(?<!" + beside(words.codePointAt(0)) + ")" + Pattern.quote(words) + "(?!"
                + beside(words.codePointBefore(words.length())) + ")";
    }

    /** What goes on a word that has {@code letter} at this end. */
    private static String beside(int letter) {
        String one = Character.toString(letter);
        if (one.matches(UNSPACED_LETTER)) {
            return UNSPACED_LETTER;
        }
        return one.matches(SPACED_LETTER) ? SPACED_LETTER : ANY_LETTER;
    }
}
