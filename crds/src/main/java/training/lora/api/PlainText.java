package training.lora.api;

import java.text.Normalizer;
import java.util.Set;

/**
 * Text as people see it: in NFC, each run of white space one space, without invisible characters. Editors and web pages
 * leave such characters behind, and a text encoder reads each as a word.
 */
public final class PlainText {
    private static final int KEYCAP = 0x20E3;
    private static final int BLACK_FLAG = 0x1F3F4;

    /** Marks and letters that show nothing: Unicode's default ignorable ones, and the empty Braille pattern's like. */
    private static final Set<Integer> BLANKS = Set.of(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0);

    /** Format characters that show: signs that stand around numbers in Arabic, Syriac and Kaithi. */
    private static final Set<Integer> SIGNS = Set.of(
            0x0600, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD);

    private PlainText() {}

    /** Normalizes {@code text}, without white space at its ends. */
    public static String of(String text) {
        return unstripped(text).strip();
    }

    /** Normalizes {@code text} whose ends count: one space stays where there was white space. */
    public static String unstripped(String text) {
        int[] points = text.codePoints().toArray();
        StringBuilder visible = new StringBuilder();
        for (int i = 0; i < points.length; i++) {
            if (isSpace(points[i])) {
                visible.append(' ');
            } else if (!isInvisible(points, i)) {
                visible.appendCodePoint(points[i]);
            }
        }
        return Normalizer.normalize(visible, Normalizer.Form.NFC).replaceAll(" +", " ");
    }

    /** How many characters of {@code text} are invisible and left out. */
    public static int invisible(String text) {
        int[] points = text.codePoints().toArray();
        int count = 0;
        for (int i = 0; i < points.length; i++) {
            if (!isSpace(points[i]) && isInvisible(points, i)) {
                count++;
            }
        }
        return count;
    }

    /** White space of any width; the empty Braille pattern looks like it. */
    private static boolean isSpace(int c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85 || c == 0x2800;
    }

    private static boolean isInvisible(int[] text, int i) {
        int c = text[i];
        if (c == 0x200C || c == 0x200D) {
            return !joins(text, i - 1) || !joins(text, i + 1);
        }
        if (c == 0xFE0E || c == 0xFE0F) {
            return !isPicture(text, i - 1) && !(i + 1 < text.length && text[i + 1] == KEYCAP);
        }
        if (c >= 0xE0020 && c <= 0xE007F) {
            return !isFlag(text, i);
        }
        return switch (Character.getType(c)) {
            case Character.CONTROL, Character.SURROGATE -> true;
            case Character.FORMAT -> !SIGNS.contains(c);
            default -> BLANKS.contains(c) || isSelector(c) || isNoCharacter(c);
        };
    }

    /** What joiners tell apart or hold together: letters of scripts that are written joined, and parts of an emoji. */
    private static boolean joins(int[] text, int i) {
        if (i < 0 || i >= text.length || text[i] < 0x80 || isSpace(text[i])) {
            return false;
        }
        return switch (Character.UnicodeScript.of(text[i])) {
            case LATIN, GREEK, CYRILLIC -> false;
            default -> Character.getType(text[i]) != Character.FORMAT;
        };
    }

    /** Whether a character follows which a selector shows as text or as an emoji. */
    private static boolean isPicture(int[] text, int i) {
        return i >= 0
                && text[i] >= 0x80
                && !Character.isLetter(text[i])
                && !isSpace(text[i])
                && Character.getType(text[i]) != Character.FORMAT;
    }

    /** Whether a tag belongs to a black flag, as of England. */
    private static boolean isFlag(int[] text, int i) {
        int before = i - 1;
        while (before >= 0 && text[before] >= 0xE0020 && text[before] <= 0xE007F) {
            before--;
        }
        return before >= 0 && text[before] == BLACK_FLAG;
    }

    /** Selectors of variants of a glyph. */
    private static boolean isSelector(int c) {
        return c >= 0xFE00 && c <= 0xFE0F || c >= 0xE0100 && c <= 0xE01EF || c >= 0x180B && c <= 0x180F;
    }

    private static boolean isNoCharacter(int c) {
        return c >= 0xFDD0 && c <= 0xFDEF || (c & 0xFFFE) == 0xFFFE;
    }
}
