package training.lora.trainer.s3;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.core.ResponseBytes;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CommonPrefix;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Response;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;

/**
 * What lies in a bucket below a prefix, by names relative to it. An object appears whole or not at all, however large. Every
 * failure is a {@link training.lora.trainer.TrainerException} with a sentence; requests that may succeed later have been
 * tried again by then.
 */
public final class S3Prefix implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(S3Prefix.class);

    private static final int OK = 200;
    private static final int BAD_REQUEST = 400;
    private static final int FORBIDDEN = 403;
    private static final int NOT_IMPLEMENTED = 501;

    private final S3Location location;
    private final S3Calls calls;
    private final S3Client client;
    private final String server;
    private final Portions portions;

    private S3Prefix(S3Location location, S3Access access, Portions portions) {
        this.location = location;
        this.calls = new S3Calls(new S3Faults(location, access));
        this.client = S3Clients.open(access, portions);
        this.server = access.server();
        this.portions = portions;
    }

    /**
     * The place that {@code uri} names; nothing is asked yet.
     *
     * @param field the part of the spec that has it as its {@code uri}, such as {@code spec.output}, or the option that it is
     * @param secretName what the {@code secretRef} beside it names; null where there is none
     * @param secret that Secret's keys; empty where there is none, or where this machine's own count
     * @param environment of the process
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if uri, Secret or environment are wrong
     */
    public static S3Prefix open(
            String field,
            String uri,
            @Nullable String secretName,
            Map<String, String> secret,
            Function<String, @Nullable String> environment) {
        S3Location location = S3Location.parse(S3Access.uriField(field), uri);
        return open(location, S3Access.of(field, secretName, secret, environment), Portions.DEFAULT);
    }

    static S3Prefix open(S3Location location, S3Access access, Portions portions) {
        return new S3Prefix(location, access, portions);
    }

    /** Where it is. */
    public S3Location location() {
        return location;
    }

    /**
     * An object.
     *
     * @param name relative to the prefix; of the object that the prefix itself is, the last part of its key
     * @param key its whole key
     * @param etag changes with its content
     */
    public record Entry(String name, String key, long sizeBytes, String etag) {}

    /** The object whose key is the prefix itself; null if there is none. */
    public @Nullable Entry itself() {
        String key = location.key();
        HeadObjectResponse found = key.isEmpty() ? null : head(key);
        return found == null
                ? null
                : new Entry(key.substring(key.lastIndexOf('/') + 1), key, found.contentLength(), found.eTag());
    }

    private @Nullable HeadObjectResponse head(String key) {
        return calls.find("", () -> {
            try {
                return client.headObject(
                        request -> request.bucket(location.bucket()).key(key));
            } catch (S3Exception e) {
                if (e.statusCode() == FORBIDDEN || e.statusCode() == BAD_REQUEST) {
                    // An answer to HEAD has no content, which would say why; this one's has.
                    client.listObjectsV2(
                            request -> request.bucket(location.bucket()).maxKeys(1));
                    // Who may list is not refused what isn't there.
                    throw calls.faults().of(e, S3Calls.GET, "");
                }
                throw e;
            }
        });
    }

    /** All objects below {@code folder}, a name that ends in a slash, or empty for all. */
    public List<Entry> list(String folder) {
        List<Entry> found = new ArrayList<>();
        String token = null;
        do {
            String from = token;
            ListObjectsV2Response page = calls.make(
                    S3Calls.LIST,
                    folder,
                    () -> client.listObjectsV2(request -> request.bucket(location.bucket())
                            .prefix(location.prefix() + folder)
                            .maxKeys(portions.page())
                            .continuationToken(from)));
            for (S3Object object : page.contents()) {
                String name = object.key().substring(location.prefix().length());
                // Consoles make an empty object for a folder.
                if (!name.isEmpty() && !name.endsWith("/")) {
                    found.add(new Entry(name, object.key(), object.size(), object.eTag()));
                }
            }
            token = Boolean.TRUE.equals(page.isTruncated()) ? page.nextContinuationToken() : null;
        } while (token != null);
        return found;
    }

    /** The first names of objects, and of what looks like folders, right below the prefix. */
    public List<String> top() {
        ListObjectsV2Response page = calls.make(
                S3Calls.LIST,
                "",
                () -> client.listObjectsV2(request -> request.bucket(location.bucket())
                        .prefix(location.prefix())
                        .delimiter("/")));
        List<String> names = new ArrayList<>();
        for (S3Object object : page.contents()) {
            names.add(object.key().substring(location.prefix().length()));
        }
        for (CommonPrefix folder : page.commonPrefixes()) {
            names.add(folder.prefix().substring(location.prefix().length()).replaceFirst("/$", ""));
        }
        names.removeIf(String::isEmpty);
        return names;
    }

    /** Names the object among those of all servers. */
    public String url(Entry entry) {
        return server + "/" + location.bucket() + "/" + entry.key();
    }

    /**
     * Reads an object.
     *
     * @param offset of the first byte
     * @return null if it is another by now, or gone
     */
    public @Nullable InputStream open(Entry entry, long offset) {
        return calls.find(
                entry.name(),
                () -> new CutStream(client.getObject(request -> request.bucket(location.bucket())
                        .key(entry.key())
                        .ifMatch(entry.etag())
                        .range(offset == 0 ? null : "bytes=" + offset + "-"))));
    }

    /** The content of a small object; null if there is none. A page in the place of one that is none shows another kind of server. */
    public byte @Nullable [] read(String name) {
        byte[] content = calls.find(name, () -> client.getObjectAsBytes(
                        request -> request.bucket(location.bucket()).key(key(name)))
                .asByteArray());
        if (content != null && !name.endsWith(".html") && S3Refusal.isPage(content)) {
            throw calls.faults().foreign("a web page", SdkClientException.create(name + " is a page for browsers"));
        }
        return content;
    }

    /** Whether there is an object. */
    public boolean exists(String name) {
        return head(key(name)) != null;
    }

    private String key(String name) {
        return location.prefix() + name;
    }

    /** Writes a small object, whatever was there. */
    public void write(String name, byte[] content) {
        calls.make(S3Calls.PUT, name, () -> {
            put(name, content, request -> {});
            return name;
        });
    }

    /** Writes a small object where there is none; false if there is one. */
    public boolean create(String name, byte[] content) {
        int status = calls.make(S3Calls.PUT, name, () -> {
            try {
                put(name, content, request -> request.ifNoneMatch("*"));
                return OK;
            } catch (S3Exception e) {
                if (e.statusCode() == S3Calls.PRECONDITION_FAILED || e.statusCode() == NOT_IMPLEMENTED) {
                    return e.statusCode();
                }
                throw e;
            }
        });
        if (status != NOT_IMPLEMENTED) {
            return status == OK;
        }
        LOG.warn(
                "the server of {} knows no conditional writes: two runs that take the place in the same moment would not be noticed",
                location.uri());
        if (exists(name)) {
            return false;
        }
        write(name, content);
        return true;
    }

    private void put(String name, byte[] content, Consumer<PutObjectRequest.Builder> condition) {
        client.putObject(
                request -> condition.accept(
                        request.bucket(location.bucket()).key(key(name)).contentType(S3Upload.type(name))),
                RequestBody.fromBytes(content));
    }

    /**
     * Uploads a file, unless the object is the same already.
     *
     * @param sha256 of the file
     * @return whether it had to be sent
     */
    public boolean upload(String name, Path file, String sha256) throws IOException {
        return new S3Upload(client, calls, location, name, portions.partBytes()).send(file, sha256);
    }

    /** Gives up uploads that a killed process began under names that {@code own} accepts. */
    public void abandonUploads(Predicate<String> own) {
        S3Upload.abandon(client, location, own);
    }

    /** Deletes an object, if it is there. */
    public void delete(String name) {
        calls.make(
                S3Calls.DELETE,
                name,
                () -> client.deleteObject(
                        request -> request.bucket(location.bucket()).key(key(name))));
    }

    /** Deletes a small object, if it has that content: what somebody else has written there meanwhile stays. */
    public void delete(String name, byte[] content) {
        ResponseBytes<GetObjectResponse> there = calls.find(
                name,
                () -> client.getObjectAsBytes(
                        request -> request.bucket(location.bucket()).key(key(name))));
        if (there == null || !Arrays.equals(there.asByteArray(), content)) {
            return;
        }
        boolean unconditional = calls.make(S3Calls.DELETE, name, () -> {
            try {
                client.deleteObject(request -> request.bucket(location.bucket())
                        .key(key(name))
                        .ifMatch(there.response().eTag()));
            } catch (S3Exception e) {
                if (e.statusCode() == NOT_IMPLEMENTED) {
                    return true;
                }
                if (e.statusCode() != S3Calls.PRECONDITION_FAILED && S3Refusal.of(e) != S3Refusal.NoObject) {
                    throw e;
                }
            }
            return false;
        });
        if (unconditional) {
            delete(name);
        }
    }

    @Override
    public void close() {
        client.close();
    }
}
