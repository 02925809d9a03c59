package training.lora.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a resource may name as a place to read from or to write to. */
public final class Uris {
    /** What names a source. A password in a URL would stand in the resource, where everyone can read it. */
    static final String PATTERN = "^(bundled|pvc)://[A-Za-z0-9._-]+(/.+)?$"
            + "|^hf://[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(@[^/@\\s]+)?(/.+)?$"
            + "|^https?://[^/?#@\\s]+([/?]\\S*)?$"
            + "|^s3://[A-Za-z0-9._-]+(/.+)?$"
            + "|^[^:]+$";

    /** The same in words, what it must be. */
    static final String FORM =
            "be hf://OWNER/REPOSITORY@REVISION/PATH, https://HOST/PATH without a password in it, s3://BUCKET/PREFIX,"
                    + " pvc://CLAIM/PATH, bundled://NAME, or a path without a colon";

    /** What names an output. Artifacts lie below it, so it ends with a name. */
    static final String OUTPUT_PATTERN = "^(pvc|s3)://[A-Za-z0-9._-]+(/[^/]+)*$";

    /** The same in words, what it must be. */
    static final String OUTPUT_FORM =
            "be s3://BUCKET/PREFIX or pvc://CLAIM/PATH, without a slash at its end, or, outside a cluster, a path without a colon";

    /** What names an output outside a cluster only. */
    static final String OUTPUT_PATH = "[^:]+";

    /** As long as a presigned URL with a session's token may be. */
    static final int MAX_LENGTH = 2048;

    /** A file's digest. */
    static final String SHA256 = "^[0-9A-Fa-f]{64}$";

    private static final String FOLDER = "bundled://.*|hf://[^/]+/[^/]+|(s3|pvc)://[^/]+|.*/";

    /** CEL: a digest is that of one file. */
    static final String SHA256_RULE = "!has(self.sha256) || !self.uri.matches('^(" + FOLDER + ")$')";

    static final String SHA256_MESSAGE = "sha256 must be unset where uri names a folder, prefix or repository";

    private static final String REMOTE = "(hf|https?|s3)://";

    /** CEL: only what comes over a network needs a Secret. */
    static final String SECRET_RULE = "!has(self.secretRef) || self.uri.matches('^" + REMOTE + "')";

    static final String SECRET_MESSAGE = "secretRef must be unset where uri is not hf://, https:// or s3://";

    private static final Pattern URL = Pattern.compile(
            "(?is)(https?://)(?:[^/?#@]*@)?([^/?#@:]+(?::\\d+)?|\\[[0-9a-f:.]+](?::\\d+)?)(/[^?#]*)?([?#].*)?");

    private Uris() {}

    /** {@code uri} without what may be secret in it: a query may hold a signature or a token, and before a host may stand a password. */
    public static String shown(String uri) {
        if (!uri.matches("(?is)https?://.*")) {
            return uri.replaceFirst("(?<=://)[^/]*@", "");
        }
        Matcher url = URL.matcher(uri);
        // What is no url may have a password anywhere.
        return url.matches()
                ? url.group(1) + url.group(2) + (url.group(3) == null ? "" : url.group(3))
                : uri.substring(0, uri.indexOf("://") + "://".length()) + "…";
    }

    /** Leaves out of all fields {@code uri} at and below {@code node} what {@link #shown} does. */
    public static void hideSecrets(JsonNode node) {
        for (JsonNode parent : node.findParents("uri")) {
            if (parent.path("uri").isTextual()) {
                ((ObjectNode) parent).put("uri", shown(parent.path("uri").asText()));
            }
        }
    }

    /** Whether {@code uri} may name one file, as far as its form tells. */
    static boolean mayBeFile(String uri) {
        return !uri.matches(FOLDER);
    }

    /** Whether what {@code uri} names comes over a network. */
    static boolean isRemote(String uri) {
        return uri.matches(REMOTE + ".*");
    }
}
