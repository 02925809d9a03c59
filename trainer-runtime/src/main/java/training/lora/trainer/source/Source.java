package training.lora.trainer.source;

import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.api.Uris;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;

/**
 * What a field of the spec names as a place to read from.
 *
 * @param field the field of the uri, as in spec.baseModel.uri
 * @param uri what stands there
 * @param use what it is read for
 * @param sha256 what the file must have as its digest, hex in any case; null for anything
 * @param secret the name of the Secret with the credentials; null for none
 */
public record Source(
        String field,
        String uri,
        Use use,
        @Nullable String sha256,
        @Nullable String secret) {
    private static final Set<String> LOCAL = Set.of("", "bundled", "pvc");

    public Source {
        sha256 = sha256 == null ? null : sha256.toLowerCase(Locale.ROOT);
    }

    /** What stands before "://", in lower case; empty for a path. */
    public String scheme() {
        int end = uri.indexOf("://");
        return end < 0 ? "" : uri.substring(0, end).toLowerCase(Locale.ROOT);
    }

    /** Whether it is fetched before it can be read. */
    public boolean remote() {
        return !LOCAL.contains(scheme());
    }

    /** Tells it from the other sources of a run: what for, where, and which digest. */
    public String key() {
        return Sha256.of(use + "\n" + uri + "\n" + sha256);
    }

    /** The uri without what may be secret in it: a query may hold a signature or a token. */
    public String shown() {
        return Uris.shown(uri);
    }

    @Override
    public String toString() {
        return "`%s` %s".formatted(field, shown());
    }

    /** The field beside that of the uri. */
    public String beside(String name) {
        return field.substring(0, field.lastIndexOf('.') + 1) + name;
    }

    /** What has the field of the uri, as in spec.baseModel; an option of a command itself. */
    public String parent() {
        return option() ? field : field.substring(0, field.lastIndexOf('.'));
    }

    /** Whether a command's option names it, beside which there are no other fields. */
    public boolean option() {
        return field.startsWith("--");
    }

    /** The spec must be corrected, or what it names. */
    public TrainerException wrong(String what) {
        return failure(Reason.InvalidConfiguration, what, null);
    }

    /** What was found there is of another kind. */
    public TrainerException invalid(String what) {
        return failure(use.invalid(), what, null);
    }

    /** The file there has another digest than the spec asks for. */
    public TrainerException wrongDigest(String actual) {
        return new TrainerException(
                use.invalid(),
                "`%s` must be the sha256 of %s, which has %s, was %s"
                        .formatted(beside("sha256"), shown(), actual, sha256));
    }

    /** A later try may help. */
    public TrainerException unreachable(String what, @Nullable Throwable cause) {
        return failure(Reason.SourceUnreachable, what, cause);
    }

    /** @param what goes on after field and uri, as in "must name a file, but names a folder" */
    public TrainerException failure(Reason reason, String what, @Nullable Throwable cause) {
        String sentence = "`%s` %s %s".formatted(field, shown(), what);
        return cause == null ? new TrainerException(reason, sentence) : new TrainerException(reason, sentence, cause);
    }
}
