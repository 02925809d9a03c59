package training.lora.trainer.s3;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.awscore.exception.AwsErrorDetails;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/**
 * What kind of refusal an answer is. Servers agree on AWS' codes for what is common, and on nothing for the rest: unknown keys
 * are 404 XAdminUserNotFound at one and 403 AccessDenied with a sentence at another.
 */
enum S3Refusal {
    OtherRegion,
    /** The access key is none of the server's. */
    UnknownKey,
    /** The secret doesn't belong to the access key. */
    WrongSecret,
    /** The session's token has ended or is none. */
    EndedToken,
    /** Keys that are known are not accepted: their account is closed, or the server doesn't say more. */
    RejectedKeys,
    Clock,
    Full,
    NoBucket,
    NoObject,
    NotAllowed,
    /** The server may answer otherwise later. */
    Later,
    /** No server of S3 answers so. */
    Foreign,
    Other;

    private static final Set<String> OTHER_REGION = Set.of(
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "InvalidRegion");

    private static final Pattern UNKNOWN_KEY = Pattern.compile("InvalidAccessKeyId(\\..+)?|InvalidClientTokenId"
            + "|InvalidSecurity|UnrecognizedClient(Exception)?|NoSuchUser|NoSuchAccessKey|UserNotFound|USER_NOT_FOUND"
            + "|X(Minio|Versity)?Admin.*(User|AccessKey|Account).*");

    private static final Set<String> WRONG_SECRET =
            Set.of("SignatureDoesNotMatch", "InvalidSignature", "InvalidSignatureException");

    private static final Set<String> ENDED_TOKEN = Set.of(
            "ExpiredToken",
            "ExpiredTokenException",
            "ExpiredIdentityToken",
            "InvalidToken",
            "InvalidSecurityToken",
            "SecurityTokenExpired",
            "TokenExpired",
            "TokenRefreshRequired");

    private static final Set<String> REJECTED_KEYS = Set.of(
            "Unauthorized",
            "UnauthorizedAccess",
            "AuthFailure",
            "AuthenticationFailed",
            "AuthenticationRequired",
            "AccountProblem",
            "AllAccessDisabled",
            "CredentialsNotSupported",
            "InvalidCredentials",
            "NotSignedUp",
            "UserDisabled",
            "UserSuspended");

    private static final Set<String> CLOCK = Set.of("RequestTimeTooSkewed", "RequestExpired", "ExpiredRequest");

    private static final Set<String> FULL = Set.of(
            "QuotaExceeded",
            "XMinioStorageFull",
            "XMinioAdminBucketQuotaExceeded",
            "StorageFull",
            "InsufficientStorage",
            "StorageQuotaExceeded");

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

    /** Garage says these with AccessDenied, R2 and B2 with InvalidArgument and InvalidRequest. */
    private static final Pattern UNKNOWN_KEY_WORDS = Pattern.compile(
            "(?i).*(no such (access )?key: |malformed access key|access key (id )?(has length|.*(not exist|not found|not valid|invalid))).*",
            Pattern.DOTALL);

    private static final Pattern WRONG_SECRET_WORDS =
            Pattern.compile("(?i).*(invalid signature|signature (does not|doesn't|mis)match).*", Pattern.DOTALL);

    private static final Pattern ENDED_WORDS = Pattern.compile(
            "(?i).*(token|access key|credentials?)( \\S+)? (has|have|is|are)( been)? expired.*", Pattern.DOTALL);

    private static final int NOT_IMPLEMENTED = 501;

    static S3Refusal of(AwsServiceException answer) {
        AwsErrorDetails details = answer.awsErrorDetails();
        String code = code(answer);
        String message = details == null || details.errorMessage() == null ? "" : details.errorMessage();
        int status = answer.statusCode();
        if (OTHER_REGION.contains(code) || status == 301 || status == 307) {
            return OtherRegion;
        }
        S3Refusal keys = ofKeys(code, message, status);
        if (keys != null) {
            return keys;
        }
        if (CLOCK.contains(code)) {
            return Clock;
        }
        if (FULL.contains(code) || status == 507) {
            return Full;
        }
        if (code.isEmpty() && (status < 500 || status == NOT_IMPLEMENTED) && hasForeignContent(details)) {
            return Foreign;
        }
        if (code.equals("NoSuchBucket")) {
            return NoBucket;
        }
        if (code.equals("NoSuchKey") || code.equals("NoSuchVersion") || status == 404) {
            return NoObject;
        }
        if (status == 401 || status == 403) {
            return NotAllowed;
        }
        return LATER.contains(code) || (status >= 500 && status != NOT_IMPLEMENTED) || status == 429 || status == 408
                ? Later
                : Other;
    }

    private static @Nullable S3Refusal ofKeys(String code, String message, int status) {
        boolean words = status == 400 || status == 401 || status == 403;
        if (UNKNOWN_KEY.matcher(code).matches()
                || words && UNKNOWN_KEY_WORDS.matcher(message).matches()) {
            return UnknownKey;
        }
        if (WRONG_SECRET.contains(code)
                || words && WRONG_SECRET_WORDS.matcher(message).matches()) {
            return WrongSecret;
        }
        if (ENDED_TOKEN.contains(code) || words && ENDED_WORDS.matcher(message).matches()) {
            return EndedToken;
        }
        return REJECTED_KEYS.contains(code) ? RejectedKeys : null;
    }

    /** The answer's code; empty where it has none. The SDK takes the status for one where the content is not S3's. */
    static String code(AwsServiceException answer) {
        AwsErrorDetails details = answer.awsErrorDetails();
        String code = details == null || details.errorCode() == null ? "" : details.errorCode();
        return code.equals(Integer.toString(answer.statusCode())) ? "" : code;
    }

    /** Whether there is content, and it is not S3's; an answer to HEAD has none. */
    private static boolean hasForeignContent(@Nullable AwsErrorDetails details) {
        if (details == null || details.rawResponse() == null) {
            return false;
        }
        String content = details.rawResponse().asString(StandardCharsets.UTF_8).strip();
        return !content.isEmpty() && !content.contains("<Error");
    }

    /** Whether content is a web page. */
    static boolean isPage(byte[] content) {
        String start = new String(content, 0, Math.min(content.length, 64), StandardCharsets.ISO_8859_1);
        return start.strip().toLowerCase(Locale.ROOT).matches("(?s)(<!doctype html|<html|<head).*");
    }
}
