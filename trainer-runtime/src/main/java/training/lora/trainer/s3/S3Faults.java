package training.lora.trainer.s3;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnknownHostException;
import java.nio.file.FileSystemException;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.SdkException;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.RefusedAddressException;

/** What a request to a bucket that failed means, in a sentence for the person who named it. */
final class S3Faults {
    /** The keys are not the server's, are others' or have ended. */
    private static final Set<String> UNKNOWN_KEY =
            Set.of("InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity");

    private static final Set<String> ENDED =
            Set.of("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException");

    private static final Set<String> FULL = Set.of(
            "QuotaExceeded",
            "XMinioStorageFull",
            "XMinioAdminBucketQuotaExceeded",
            "StorageFull",
            "InsufficientStorage",
            "StorageQuotaExceeded");

    private static final Set<String> OTHER_REGION = Set.of(
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "InvalidRegion");

    /** What a server says of itself when it is asked again later. */
    private static final Set<String> LATER = Set.of(
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
            "RequestTimeout",
            "InternalError",
            "ServiceUnavailable",
            "OperationAborted",
            "ConditionalRequestConflict",
            "BadDigest",
            "IncompleteBody");

    private static final Pattern REGION = Pattern.compile("<Region>([^<]+)</Region>|expecting '([^']+)'");

    private static final int NOT_IMPLEMENTED = 501;

    private final S3Location location;
    private final S3Access access;

    S3Faults(S3Location location, S3Access access) {
        this.location = location;
        this.access = access;
    }

    /**
     * The exception to throw.
     *
     * @param action the right that the request needs, such as s3:PutObject
     * @param name what it was about, below the place; empty: the place
     */
    RuntimeException of(SdkException failure, String action, String name) {
        for (Throwable t = failure; t != null; t = t.getCause()) {
            if (t instanceof TrainerException known) {
                return known;
            }
            if (t instanceof FileSystemException local) {
                // The file that should have been uploaded, and not the server.
                return new UncheckedIOException(local);
            }
            if (t instanceof AwsServiceException answer) {
                return answered(answer, action, name);
            }
        }
        return unanswered(failure);
    }

    private TrainerException answered(AwsServiceException answer, String action, String name) {
        AwsErrorDetails details = answer.awsErrorDetails();
        String code = details == null || details.errorCode() == null ? "" : details.errorCode();
        int status = answer.statusCode();
        String region = region(answer);
        if (OTHER_REGION.contains(code) || status == 301 || status == 307) {
            return wrong(
                    "the region must be that of the bucket %s%s, was %s; set AWS_REGION%s"
                            .formatted(
                                    location.bucket(),
                                    region == null ? "" : ", " + region,
                                    access.region() == null ? "unset" : access.region(),
                                    whereKeysAre()),
                    failureCode(code, status),
                    answer);
        }
        if (UNKNOWN_KEY.contains(code)) {
            return wrong(
                    "AWS_ACCESS_KEY_ID of %s must be a key of %s, which doesn't know it; correct it, or AWS_ENDPOINT_URL"
                            .formatted(access.keysOf(), access.server()),
                    failureCode(code, status),
                    answer);
        }
        if (code.equals("SignatureDoesNotMatch")) {
            return wrong(
                    "AWS_SECRET_ACCESS_KEY of %s must be the one that belongs to its AWS_ACCESS_KEY_ID"
                            .formatted(access.keysOf()),
                    failureCode(code, status),
                    answer);
        }
        if (ENDED.contains(code)) {
            return wrong(
                    "AWS_SESSION_TOKEN of %s must be one that has not ended".formatted(access.keysOf()),
                    failureCode(code, status),
                    answer);
        }
        if (code.equals("RequestTimeTooSkewed") || code.equals("RequestExpired")) {
            return failed(
                    Reason.SourceUnreachable,
                    "the clock of this machine must be right, but differs from that of %s by more than it allows"
                            .formatted(access.server()),
                    failureCode(code, status),
                    answer);
        }
        if (FULL.contains(code) || status == 507) {
            return failed(
                    Reason.StorageFull,
                    "there must be room in the bucket %s, but its quota or its disks are full; free some or raise the quota, and start again: what is there is kept"
                            .formatted(location.bucket()),
                    failureCode(code, status),
                    answer);
        }
        if (code.equals("NoSuchBucket") || (status == 404 && code.isEmpty() && action.equals(S3Calls.LIST))) {
            return wrong(
                    "the bucket %s must exist, but %s has none of that name; make it, or correct the uri or AWS_ENDPOINT_URL"
                            .formatted(location.bucket(), access.server()),
                    failureCode(code, status),
                    answer);
        }
        if (code.equals("NoSuchKey") || code.equals("NoSuchVersion") || status == 404) {
            return wrong(
                    "%s must be there, but the bucket has none"
                            .formatted(location.below(name).uri()),
                    failureCode(code, status),
                    answer);
        }
        if (status == 401 || status == 403) {
            return wrong(refused(action), failureCode(code, status), answer);
        }
        if (LATER.contains(code) || (status >= 500 && status != NOT_IMPLEMENTED) || status == 429 || status == 408) {
            return failed(
                    Reason.SourceUnreachable,
                    "%s must answer, but could not (%s); the same command goes on once it can"
                            .formatted(access.server(), failureCode(code, status)),
                    null,
                    answer);
        }
        return wrong(
                "%s must be a server of S3 that takes %s, but refused it%s"
                        .formatted(
                                access.server(),
                                action,
                                details == null
                                                || details.errorMessage() == null
                                                || details.errorMessage().isBlank()
                                        ? ""
                                        : ": " + details.errorMessage()),
                failureCode(code, status),
                answer);
    }

    private String refused(String action) {
        return access.anonymous()
                ? "the bucket %s must be public or there must be keys for it, but it is not and there are none; set %s"
                        .formatted(location.bucket(), access.whereKeysGo())
                : "%s must be allowed %s in the bucket %s, but is not"
                        .formatted(access.keysOf(), action, location.bucket());
    }

    private String whereKeysAre() {
        return access.keysOf().startsWith("the Secret") ? " in " + access.keysOf() : "";
    }

    private TrainerException unanswered(SdkException failure) {
        String said = "";
        for (Throwable t = failure; t != null; t = t.getCause()) {
            if (t instanceof RefusedAddressException) {
                return wrong("AWS_ENDPOINT_URL of " + access.keysOf() + " " + t.getMessage(), null, failure);
            }
            if (t instanceof UnknownHostException) {
                return unreachable("its name is not known (DNS)", failure);
            }
            if (t instanceof SSLException) {
                return wrong(
                        "%s must have a certificate that is trusted here, or speak TLS at all; name its authority in LORA_CA_BUNDLE"
                                .formatted(access.server()),
                        t.getMessage(),
                        failure);
            }
            if (t instanceof IOException) {
                return unreachable(t.getMessage() == null ? t.getClass().getSimpleName() : t.getMessage(), failure);
            }
            said = String.valueOf(t.getMessage());
        }
        String all = String.valueOf(failure.getMessage());
        if (all.contains("credentials") || all.contains("profile")) {
            return wrong(
                    "there must be keys for the bucket, but %s has none; set %s"
                            .formatted(access.keysOf(), access.whereKeysGo()),
                    null,
                    failure);
        }
        if (all.toLowerCase(Locale.ROOT).contains("timeout") || all.contains("did not complete")) {
            return unreachable(all, failure);
        }
        return wrong(
                "%s must be a server of S3, but its answer is none of S3's".formatted(access.server()), said, failure);
    }

    private TrainerException unreachable(String why, SdkException failure) {
        return failed(
                Reason.SourceUnreachable,
                "%s must be reachable, but is not: %s; the same command goes on once it is"
                        .formatted(access.server(), why),
                null,
                failure);
    }

    private static @Nullable String region(AwsServiceException answer) {
        AwsErrorDetails details = answer.awsErrorDetails();
        if (details == null) {
            return null;
        }
        String header = details.sdkHttpResponse() == null
                ? null
                : details.sdkHttpResponse()
                        .firstMatchingHeader("x-amz-bucket-region")
                        .orElse(null);
        if (header != null) {
            return header;
        }
        String body = details.rawResponse() == null ? "" : details.rawResponse().asUtf8String();
        Matcher named = REGION.matcher(body + "\n" + details.errorMessage());
        return !named.find() ? null : named.group(1) != null ? named.group(1) : named.group(2);
    }

    private static String failureCode(String code, int status) {
        return code.isEmpty() || code.equals(Integer.toString(status)) ? "HTTP " + status : code;
    }

    private TrainerException wrong(String what, @Nullable String detail, SdkException cause) {
        return failed(Reason.InvalidConfiguration, what, detail, cause);
    }

    private TrainerException failed(Reason reason, String what, @Nullable String detail, SdkException cause) {
        return new TrainerException(
                reason,
                "`%s` %s: %s%s"
                        .formatted(
                                S3Access.uriField(access.field()),
                                location.uri(),
                                what,
                                detail == null ? "" : " (" + detail + ")"),
                cause);
    }
}
