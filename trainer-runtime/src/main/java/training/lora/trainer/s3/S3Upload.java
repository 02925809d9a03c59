package training.lora.trainer.s3;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.MultipartUpload;
import software.amazon.awssdk.services.s3.model.NoSuchUploadException;

/** Sends a file that becomes an object when all of it is there. */
final class S3Upload {
    private static final Logger LOG = LoggerFactory.getLogger(S3Upload.class);

    /** The digest of a file, in the object's metadata: an ETag is no digest of what was sent in parts. */
    private static final String SHA256 = "sha256";

    private final S3Client client;
    private final S3Calls calls;
    private final S3Location location;
    private final String name;
    private final long partBytes;

    /**
     * @param location of the prefix
     * @param name below it
     * @param partBytes larger files are sent in parts of this size
     */
    S3Upload(S3Client client, S3Calls calls, S3Location location, String name, long partBytes) {
        this.client = client;
        this.calls = calls;
        this.location = location;
        this.name = name;
        this.partBytes = partBytes;
    }

    /** Sends it, unless the object is the same already; whether it had to be sent. */
    boolean send(Path file, String sha256) throws IOException {
        long size = Files.size(file);
        if (holds(size, sha256)) {
            return false;
        }
        if (size > partBytes) {
            inParts(file, size, sha256);
            return true;
        }
        FilePart whole = new FilePart(file, 0, size);
        String md5 = whole.md5();
        calls.make(
                S3Calls.PUT,
                name,
                () -> client.putObject(
                        request -> request.bucket(location.bucket())
                                .key(key())
                                .contentType(type(name))
                                .contentMD5(md5)
                                .metadata(Map.of(SHA256, sha256)),
                        whole.body()));
        return true;
    }

    private String key() {
        return location.prefix() + name;
    }

    private boolean holds(long size, String sha256) {
        @Nullable HeadObjectResponse there = calls.find(
                name,
                () -> client.headObject(
                        request -> request.bucket(location.bucket()).key(key())));
        return there != null
                && there.contentLength() == size
                && sha256.equals(there.metadata().get(SHA256));
    }

    private void inParts(Path file, long size, String sha256) throws IOException {
        String upload = calls.make(
                S3Calls.PUT, name, () -> client.createMultipartUpload(request -> request.bucket(location.bucket())
                                .key(key())
                                .contentType(type(name))
                                .metadata(Map.of(SHA256, sha256)))
                        .uploadId());
        boolean whole = false;
        try {
            List<CompletedPart> parts = new ArrayList<>();
            for (long from = 0; from < size; from += partBytes) {
                FilePart part = new FilePart(file, from, Math.min(partBytes, size - from));
                parts.add(send(upload, parts.size() + 1, part));
            }
            complete(upload, parts, size, sha256);
            whole = true;
        } finally {
            if (!whole) {
                abandon(client, location.bucket(), key(), upload);
            }
        }
    }

    private CompletedPart send(String upload, int number, FilePart part) throws IOException {
        String md5 = part.md5();
        String etag = calls.make(S3Calls.PUT, name, () -> client.uploadPart(
                        request -> request.bucket(location.bucket())
                                .key(key())
                                .uploadId(upload)
                                .partNumber(number)
                                .contentMD5(md5),
                        part.body())
                .eTag());
        return CompletedPart.builder().partNumber(number).eTag(etag).build();
    }

    private void complete(String upload, List<CompletedPart> parts, long size, String sha256) {
        calls.<@Nullable Object>make(S3Calls.PUT, name, () -> {
            try {
                return client.completeMultipartUpload(request -> request.bucket(location.bucket())
                        .key(key())
                        .uploadId(upload)
                        .multipartUpload(all -> all.parts(parts)));
            } catch (NoSuchUploadException e) {
                // It was completed, and the answer lost.
                if (holds(size, sha256)) {
                    return null;
                }
                throw e;
            }
        });
    }

    /** Parts that were sent are paid for until somebody says that they are not wanted. */
    private static void abandon(S3Client client, String bucket, String key, String upload) {
        try {
            client.abortMultipartUpload(
                    request -> request.bucket(bucket).key(key).uploadId(upload));
        } catch (SdkException e) {
            LOG.warn("s3://{}/{} has parts of an upload that was given up: {}", bucket, key, e.getMessage());
        }
    }

    /** Gives up uploads that a killed process began under names that {@code own} accepts. */
    static void abandon(S3Client client, S3Location location, Predicate<String> own) {
        List<MultipartUpload> begun;
        try {
            begun = client.listMultipartUploads(
                            request -> request.bucket(location.bucket()).prefix(location.prefix()))
                    .uploads();
        } catch (SdkException e) {
            // A right of its own, which nothing else needs.
            LOG.debug("uploads in {} can't be listed", location.uri(), e);
            return;
        }
        for (MultipartUpload upload : begun) {
            String key = upload.key();
            if (key.startsWith(location.prefix())
                    && own.test(key.substring(location.prefix().length()))) {
                abandon(client, location.bucket(), key, upload.uploadId());
            }
        }
    }

    /** The type that browsers are told. */
    static String type(String name) {
        String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        return switch (ending) {
            case "json" -> "application/json";
            case "jsonl", "log" -> "text/plain; charset=utf-8";
            case "png" -> "image/png";
            default -> "application/octet-stream";
        };
    }
}
