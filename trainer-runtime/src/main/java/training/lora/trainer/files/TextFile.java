package training.lora.trainer.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The text of files that people wrote: UTF-8, or UTF-16 with a byte order mark. */
public final class TextFile {
    private static final char MARK = '\uFEFF';

    /** More control characters than one in so many are no text: UTF-16 read as UTF-8 has one in two. */
    private static final int CONTROLS = 4;

    private TextFile() {}

    /** All of a file as it stands there, without a byte order mark. */
    public static String read(Path file) throws IOException, NoTextException {
        return of(Files.readAllBytes(file));
    }

    /** The same of its content. */
    public static String of(byte[] bytes) throws NoTextException {
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
