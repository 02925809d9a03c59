package training.lora.trainer.s3;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A place in a bucket, as {@code s3://bucket/prefix} names it.
 *
 * @param key a prefix or an object's key, without slashes at its ends; empty: the whole bucket
 */
public record S3Location(String bucket, String key) {
    /** What uris of this kind begin with. */
    public static final String SCHEME = "s3://";

    private static final Pattern FORM =
            Pattern.compile("s3://(?<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,62})(/(?<key>.*))?");

    /**
     * What {@code uri} names.
     *
     * @param field that holds it, for the message
     * @throws TrainerException InvalidConfiguration if that is no place in a bucket
     */
    public static S3Location parse(String field, String uri) {
        Matcher form = FORM.matcher(uri);
        String key = !form.matches() || form.group("key") == null
                ? ""
                : form.group("key").replaceFirst("/+$", "");
        boolean steps = List.of(key.split("/", -1)).stream()
                .anyMatch(step -> step.equals(".") || step.equals("..") || (step.isEmpty() && !key.isEmpty()));
        if (!form.matches() || steps) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must be s3://BUCKET/PREFIX, without empty or dotted steps in the prefix, was %s"
                            .formatted(field, uri));
        }
        return new S3Location(form.group("bucket"), key);
    }

    /** The uri of the place. */
    public String uri() {
        return SCHEME + bucket + (key.isEmpty() ? "" : "/" + key);
    }

    /** What lies below it. */
    S3Location below(String name) {
        return new S3Location(bucket, key.isEmpty() || name.isEmpty() ? key + name : key + "/" + name);
    }

    /** What the keys of all that lies below it begin with. */
    String prefix() {
        return key.isEmpty() ? "" : key + "/";
    }
}
