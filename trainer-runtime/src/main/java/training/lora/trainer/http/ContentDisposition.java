package training.lora.trainer.http;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The header Content-Disposition (RFC 6266), whose names may be encoded (RFC 5987). */
public final class ContentDisposition {
    private static final Pattern PARAMETER =
            Pattern.compile(";\\s*([\\w!#$%&'*+.^`|~-]+)\\s*=\\s*(\"(?:[^\"\\\\]|\\\\.)*\"|[^;]*)");

    /** In bytes, as file systems count; they have 255, of which others make temporary names. */
    private static final int LONGEST = 200;

    private ContentDisposition() {}

    /** The file's name in the header; null where it has none. */
    public static @Nullable String fileName(@Nullable String header) {
        if (header == null) {
            return null;
        }
        String plain = null;
        String encoded = null;
        Matcher parameters = PARAMETER.matcher(";" + header.replaceFirst("^[^;=]*(;|$)", ""));
        while (parameters.find()) {
            String value = parameters.group(2).strip();
            switch (parameters.group(1).toLowerCase(Locale.ROOT)) {
                case "filename*" -> encoded = encoded != null ? encoded : decoded(value);
                case "filename" -> plain = plain != null ? plain : unquoted(value);
                default -> {}
            }
        }
        return safe(encoded != null ? encoded : plain);
    }

    private static String unquoted(String value) {
        String text = value;
        if (value.length() > 1 && value.startsWith("\"") && value.endsWith("\"")) {
            text = value.substring(1, value.length() - 1).replaceAll("\\\\(.)", "$1");
        }
        // Headers are read as Latin-1, but servers write UTF-8.
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            return text;
        }
    }

    /** charset'language'percent-encoded bytes; null where it is none. */
    private static @Nullable String decoded(String value) {
        String[] parts = unquoted(value).split("'", 3);
        if (parts.length < 3) {
            return null;
        }
        try {
            Charset charset = Charset.forName(parts[0]);
            List<Byte> bytes = new ArrayList<>();
            for (int i = 0; i < parts[2].length(); i++) {
                char c = parts[2].charAt(i);
                if (c == '%') {
                    bytes.add((byte) Integer.parseInt(parts[2].substring(i + 1, i + 3), 16));
                    i += 2;
                } else {
                    bytes.add((byte) c);
                }
            }
            byte[] all = new byte[bytes.size()];
            for (int i = 0; i < all.length; i++) {
                all[i] = bytes.get(i);
            }
            return new String(all, charset);
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            return null;
        }
    }

    /** A name without folders and what no file system likes; null where nothing is left. */
    public static @Nullable String safe(@Nullable String name) {
        if (name == null) {
            return null;
        }
        String last = name.replaceAll(".*[/\\\\]", "")
                .replaceAll("[\\p{Cntrl}:*?\"<>|]", "_")
                .strip();
        // The ending says what it is.
        while (last.getBytes(StandardCharsets.UTF_8).length > LONGEST) {
            last = last.substring(last.offsetByCodePoints(0, 1));
        }
        last = last.replaceAll("^\\.+", "");
        return last.isEmpty() ? null : last;
    }
}
