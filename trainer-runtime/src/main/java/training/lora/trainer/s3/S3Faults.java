package training.lora.trainer.s3;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnknownHostException;
import java.nio.file.FileSystemException;
import java.util.Locale;
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
    private static final Pattern REGION = Pattern.compile("<Region>([^<]+)</Region>|expecting '([^']+)'");

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
        S3Refusal refusal = S3Refusal.of(answer);
        String code = failureCode(answer);
        if (action.equals(S3Calls.LIST)
                && S3Refusal.code(answer).isEmpty()
                && (refusal == S3Refusal.NotAllowed || refusal == S3Refusal.Other)) {
            // A server of S3 answers a listing with a code always. The SDK keeps nothing of another content there.
            return foreign(code, answer);
        }
        return switch (refusal) {
            case OtherRegion -> wrong(otherRegion(answer), code, answer);
            case UnknownKey, WrongSecret, EndedToken, RejectedKeys -> wrong(keys(refusal, action), code, answer);
            case NotAllowed -> wrong(refused(action), code, answer);
            case Clock ->
                failed(
                        Reason.SourceUnreachable,
                        "the clock of this machine must be right, but differs from that of %s by more than it allows"
                                .formatted(access.server()),
                        code,
                        answer);
            case Full ->
                failed(
                        Reason.StorageFull,
                        "there must be room in the bucket %s, but its quota or its disks are full; free some or raise the quota, and start again: what is there is kept"
                                .formatted(location.bucket()),
                        code,
                        answer);
            case NoBucket ->
                wrong(
                        "the bucket %s must exist, but %s has none of that name; make it, or correct the uri or AWS_ENDPOINT_URL"
                                .formatted(location.bucket(), access.server()),
                        code,
                        answer);
            case NoObject ->
                action.equals(S3Calls.LIST)
                        ? foreign(code, answer)
                        : wrong(
                                "%s must be there, but the bucket has none"
                                        .formatted(location.below(name).uri()),
                                code,
                                answer);
            case Foreign -> foreign(code, answer);
            case Later ->
                failed(
                        Reason.SourceUnreachable,
                        "%s must answer, but could not (%s); the same command goes on once it can"
                                .formatted(access.server(), code),
                        null,
                        answer);
            case Other ->
                wrong(
                        "%s must be a server of S3 that takes %s, but refused it%s"
                                .formatted(access.server(), action, said(answer)),
                        code,
                        answer);
        };
    }

    /** That what answers is another kind of server; {@code detail} is what tells. */
    TrainerException foreign(String detail, SdkException cause) {
        return wrong(
                "%s must be a server of S3, but its answer is none of S3's; correct AWS_ENDPOINT_URL"
                        .formatted(access.server()),
                detail,
                cause);
    }

    private static String said(AwsServiceException answer) {
        AwsErrorDetails details = answer.awsErrorDetails();
        String message = details == null ? null : details.errorMessage();
        return message == null || message.isBlank() ? "" : ": " + message;
    }

    private String otherRegion(AwsServiceException answer) {
        String region = region(answer);
        return "the region must be that of the bucket %s%s, was %s; set AWS_REGION%s"
                .formatted(
                        location.bucket(),
                        region == null ? "" : ", " + region,
                        access.region() == null ? "unset" : access.region(),
                        whereKeysAre());
    }

    private String keys(S3Refusal refusal, String action) {
        if (access.anonymous()) {
            return refused(action);
        }
        return switch (refusal) {
            case UnknownKey ->
                "AWS_ACCESS_KEY_ID of %s must be a key of %s, which doesn't know it; correct it, or AWS_ENDPOINT_URL"
                        .formatted(access.keysOf(), access.server());
            case WrongSecret ->
                "AWS_SECRET_ACCESS_KEY of %s must be the one that belongs to its AWS_ACCESS_KEY_ID"
                        .formatted(access.keysOf());
            case EndedToken -> "AWS_SESSION_TOKEN of %s must be one that has not ended".formatted(access.keysOf());
            default ->
                "the keys of %s must be accepted by %s, but are not; correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_ENDPOINT_URL"
                        .formatted(access.keysOf(), access.server());
        };
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
        return foreign(said, failure);
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

    private static String failureCode(AwsServiceException answer) {
        String code = S3Refusal.code(answer);
        return code.isEmpty() ? "HTTP " + answer.statusCode() : code;
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
