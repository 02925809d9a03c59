package training.lora.trainer.http;

import java.net.URI;
import java.nio.charset.StandardCharsets;

/** URLs as people and servers write them. */
public final class Urls {
    private static final String ALLOWED = "-._~:/?#[]@!$&'()*+,;=%";

    private Urls() {}

    /**
     * The url in {@code text}; what may not stand in one, such as a space or an umlaut, is percent-encoded, as browsers do.
     *
     * @throws IllegalArgumentException if it is none
     */
    public static URI of(String text) {
        StringBuilder url = new StringBuilder();
        for (byte b : text.strip().getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c < 0x80 && (Character.isLetterOrDigit(c) || ALLOWED.indexOf(c) >= 0);
            url.append(plain ? "" + c : "%%%02X".formatted((int) c));
        }
        return URI.create(url.toString());
    }

    static String resolved(URI from, String location) {
        return from.resolve(of(location)).toString();
    }

    /** A path's part, with everything percent-encoded that has a meaning in urls, slashes too. */
    public static String encode(String part) {
        StringBuilder text = new StringBuilder();
        for (byte b : part.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c < 0x80 && (Character.isLetterOrDigit(c) || "-._~".indexOf(c) >= 0);
            text.append(plain ? "" + c : "%%%02X".formatted((int) c));
        }
        return text.toString();
    }
}
