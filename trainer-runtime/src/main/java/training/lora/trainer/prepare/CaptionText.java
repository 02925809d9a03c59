package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.PlainText;

/**
 * The text of a caption's file.
 *
 * @param text normalized
 * @param invisible how many invisible characters were left out; a byte order mark at the beginning doesn't count
 */
record CaptionText(String text, int invisible) {
    static final CaptionText EMPTY = new CaptionText("", 0);

    private static final char MARK = '\uFEFF';

    /** More control characters than one in so many are no caption's: UTF-16 read as UTF-8 has one in two. */
    private static final int CONTROLS = 4;

    /** A file that is no text as captions must be; the message follows its name. */
    static final class NoTextException extends Exception {
        private static final long serialVersionUID = 1;

        NoTextException(String what) {
            super(what);
        }
    }

    /** Reads UTF-8, or UTF-16 with a byte order mark. */
    static CaptionText read(Path file) throws IOException, NoTextException {
        return of(whole(file));
    }

    /** Texts that are lines of a file; those that are blank are none. */
    static List<CaptionText> ofLines(List<String> lines) {
        return lines.stream()
                .map(CaptionText::of)
                .filter(line -> !line.text().isEmpty())
                .toList();
    }

    static CaptionText of(String text) {
        return new CaptionText(PlainText.of(text), PlainText.invisible(text));
    }

    /** All of a file as it stands there, without a byte order mark. */
    static String whole(Path file) throws IOException, NoTextException {
        return whole(Files.readAllBytes(file));
    }

    /** The same of its content. */
    static String whole(byte[] bytes) throws NoTextException {
        String decoded = decode(bytes);
        return decoded.startsWith(String.valueOf(MARK)) ? decoded.substring(1) : decoded;
    }

    private static String decode(byte[] bytes) throws NoTextException {
        if (begins(bytes, 0xFF, 0xFE, 0, 0) || begins(bytes, 0, 0, 0xFE, 0xFF)) {
            throw new NoTextException("is UTF-32 text, not UTF-8");
        }
        if (begins(bytes, 0xFF, 0xFE) || begins(bytes, 0xFE, 0xFF)) {
            return decode(bytes, StandardCharsets.UTF_16, "has the byte order mark of UTF-16, but is no such text");
        }
        String text = decode(
                bytes,
                StandardCharsets.UTF_8,
                "is not UTF-8 text, nor UTF-16 with a byte order mark at its beginning; save it as UTF-8");
        if (text.contains("\u001b$") || text.contains("\u001b(")) {
            throw new NoTextException("is ISO-2022 text, not UTF-8");
        }
        long controls = text.chars()
                .filter(c -> Character.isISOControl(c) && !Character.isWhitespace(c))
                .count();
        if (controls * CONTROLS > text.length()) {
            throw new NoTextException(
                    "is not UTF-8 text, but UTF-16 without a byte order mark at its beginning, or no text at all");
        }
        return text;
    }

    private static String decode(byte[] bytes, Charset charset, String problem) throws NoTextException {
        try {
            return charset.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw new NoTextException(problem);
        }
    }

    private static boolean begins(byte[] bytes, int... mark) {
        if (bytes.length < mark.length) {
            return false;
        }
        for (int i = 0; i < mark.length; i++) {
            if ((bytes[i] & 0xff) != mark[i]) {
                return false;
            }
        }
        return true;
    }
}
