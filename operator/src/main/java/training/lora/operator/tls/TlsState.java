package training.lora.operator.tls;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What the Secret holds that the replicas share.
 *
 * @param current what is served
 * @param next what will be served once every pod trusts its authority
 * @param previousAuthority what replicas that don't know of {@code current} yet are trusted by
 */
record TlsState(
        Credential current,
        @Nullable Credential next,
        @Nullable String previousAuthority) {
    private static final String CHAIN = "tls.crt";
    private static final String KEY = "tls.key";
    private static final String AUTHORITY = "ca.crt";
    private static final String NEXT = "next.";
    private static final String PREVIOUS_AUTHORITY = "previous.ca.crt";

    /** All authorities that trainers have to trust, as PEM. */
    String authorities() {
        Set<String> all = new LinkedHashSet<>();
        if (previousAuthority != null) {
            all.add(previousAuthority);
        }
        all.add(current.authority());
        if (next != null) {
            all.add(next.authority());
        }
        return String.join("", all);
    }

    /** Null: there is none yet. */
    static @Nullable TlsState of(@Nullable Map<String, String> data) {
        Credential current = credential("", data);
        return current == null ? null : new TlsState(current, credential(NEXT, data), text(data, PREVIOUS_AUTHORITY));
    }

    private static @Nullable Credential credential(String prefix, @Nullable Map<String, String> data) {
        String chain = text(data, prefix + CHAIN);
        String key = text(data, prefix + KEY);
        String authority = text(data, prefix + AUTHORITY);
        return chain == null || key == null || authority == null ? null : new Credential(chain, key, authority);
    }

    private static @Nullable String text(@Nullable Map<String, String> data, String name) {
        String base64 = data == null ? null : data.get(name);
        return base64 == null || base64.isEmpty()
                ? null
                : new String(Base64.getDecoder().decode(base64), StandardCharsets.US_ASCII);
    }

    /** A Secret's data. */
    Map<String, String> data() {
        Map<String, String> data = new TreeMap<>();
        put(data, "", current);
        if (next != null) {
            put(data, NEXT, next);
        }
        if (previousAuthority != null) {
            data.put(PREVIOUS_AUTHORITY, base64(previousAuthority));
        }
        return data;
    }

    private static void put(Map<String, String> data, String prefix, Credential credential) {
        data.put(prefix + CHAIN, base64(credential.chain()));
        data.put(prefix + KEY, base64(credential.key()));
        data.put(prefix + AUTHORITY, base64(credential.authority()));
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.US_ASCII));
    }
}
