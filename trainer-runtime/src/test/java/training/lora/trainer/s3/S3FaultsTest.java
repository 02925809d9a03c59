package training.lora.trainer.s3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.s3.FaultyLine.Fault;

/** What people are told of a bucket that refuses, of a server that isn't there, and of keys that are none. */
class S3FaultsTest {
    private FaultyLine line;

    @BeforeEach
    void line() throws IOException {
        line = FaultyLine.to(0);
    }

    @AfterEach
    void cut() throws IOException {
        line.close();
    }

    private static TrainerException failure(S3Prefix bucket) {
        try (bucket) {
            return catchThrowableOfType(
                    TrainerException.class,
                    () -> bucket.write("manifest.json", "{}".getBytes(java.nio.charset.StandardCharsets.UTF_8)));
        }
    }

    private static S3Prefix open(URI endpoint, Map<String, String> keys) {
        return S3Prefix.open(
                S3Location.parse("spec.output.uri", "s3://loras/mine"),
                S3Access.of("spec.output", keys.isEmpty() ? null : "keys", keys, S3Server.lookup(endpoint)),
                S3Server.QUICK);
    }

    static Stream<Arguments> answers() {
        Reason wrong = Reason.InvalidConfiguration;
        Reason later = Reason.SourceUnreachable;
        return Stream.of(
                Arguments.of(
                        Fault.answer(403, "InvalidAccessKeyId"),
                        wrong,
                        "AWS_ACCESS_KEY_ID of the Secret keys must be a key of SERVER, which doesn't know it; correct it, or AWS_ENDPOINT_URL (InvalidAccessKeyId)"),
                Arguments.of(
                        Fault.answer(403, "SignatureDoesNotMatch"),
                        wrong,
                        "AWS_SECRET_ACCESS_KEY of the Secret keys must be the one that belongs to its AWS_ACCESS_KEY_ID (SignatureDoesNotMatch)"),
                Arguments.of(
                        Fault.answer(400, "ExpiredToken"),
                        wrong,
                        "AWS_SESSION_TOKEN of the Secret keys must be one that has not ended (ExpiredToken)"),
                Arguments.of(
                        Fault.answer(403, "AccessDenied"),
                        wrong,
                        "the Secret keys must be allowed s3:PutObject in the bucket loras, but is not (AccessDenied)"),
                Arguments.of(
                        Fault.answer(404, "NoSuchBucket"),
                        wrong,
                        "the bucket loras must exist, but SERVER has none of that name; make it, or correct the uri or AWS_ENDPOINT_URL (NoSuchBucket)"),
                Arguments.of(
                        Fault.answer(301, "PermanentRedirect", "x-amz-bucket-region: eu-central-1"),
                        wrong,
                        "the region must be that of the bucket loras, eu-central-1, was us-east-1; set AWS_REGION in the Secret keys (PermanentRedirect)"),
                Arguments.of(
                        Fault.raw(
                                400,
                                "application/xml",
                                "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'garage'</Message></Error>"),
                        wrong,
                        "the region must be that of the bucket loras, garage, was us-east-1; set AWS_REGION in the Secret keys (AuthorizationHeaderMalformed)"),
                Arguments.of(
                        Fault.answer(403, "RequestTimeTooSkewed"),
                        later,
                        "the clock of this machine must be right, but differs from that of SERVER by more than it allows (RequestTimeTooSkewed)"),
                Arguments.of(
                        Fault.answer(507, "XMinioStorageFull"),
                        Reason.StorageFull,
                        "there must be room in the bucket loras, but its quota or its disks are full; free some or raise the quota, and start again: what is there is kept (XMinioStorageFull)"),
                Arguments.of(
                        Fault.answer(403, "QuotaExceeded"),
                        Reason.StorageFull,
                        "there must be room in the bucket loras, but its quota or its disks are full; free some or raise the quota, and start again: what is there is kept (QuotaExceeded)"),
                Arguments.of(
                        Fault.answer(503, "SlowDown"),
                        later,
                        "SERVER must answer, but could not (SlowDown); the same command goes on once it can"),
                Arguments.of(
                        Fault.raw(502, "text/html", "<html>Bad Gateway</html>"),
                        later,
                        "SERVER must answer, but could not (HTTP 502); the same command goes on once it can"),
                Arguments.of(
                        Fault.answer(501, "NotImplemented"),
                        wrong,
                        "SERVER must be a server of S3 that takes s3:PutObject, but refused it: as the test says (NotImplemented)"),
                Arguments.of(
                        Fault.answer(400, "InvalidRequest"),
                        wrong,
                        "SERVER must be a server of S3 that takes s3:PutObject, but refused it: as the test says (InvalidRequest)"));
    }

    @ParameterizedTest
    @MethodSource("answers")
    void answerIsToldInASentence(Fault answer, Reason reason, String sentence) {
        line.faults(request -> answer);

        TrainerException failure = failure(open(line.endpoint(), S3Server.KEYS));

        assertThat(failure.reason()).isEqualTo(reason);
        assertThat(failure)
                .hasMessage("`spec.output.uri` s3://loras/mine: "
                        + sentence.replace("SERVER", line.endpoint().toString()));
        assertThat(line.requests())
                .hasSize(
                        reason == Reason.SourceUnreachable && !sentence.contains("clock")
                                ? 6
                                : line.requests().size());
    }

    /** What servers say of keys, gathered from their documentation and sources. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "403 | InvalidAccessKeyId | | key of // AWS, MinIO, Ceph, Wasabi, SeaweedFS, B2",
                "404 | XAdminUserNotFound | | key of // versitygw",
                "404 | XMinioAdminNoSuchUser | | key of // MinIO",
                "404 | NoSuchUser | | key of // Ceph",
                "403 | InvalidAccessKeyId.NotFound | | key of // OSS",
                "403 | InvalidClientTokenId | | key of // STS",
                "403 | AccessDenied | Forbidden: No such key: GK12 | key of // Garage",
                "400 | InvalidArgument | Credential access key has length 3, should be 32 | key of // R2",
                "403 | InvalidRequest | Malformed Access Key Id | key of // B2",
                "403 | AccessDenied | Forbidden: Invalid signature | belongs to // Garage",
                "403 | SignatureDoesNotMatch | | belongs to // all",
                "403 | InvalidSignature | | belongs to // Ceph",
                "400 | ExpiredToken | | not ended // AWS",
                "400 | InvalidToken | | not ended // AWS, GCS",
                "403 | AccessDenied | Access key GK12 has expired | not ended // Garage",
                "403 | SecurityTokenExpired | | not ended // OSS",
                "401 | Unauthorized | | accepted by // R2",
                "403 | UserSuspended | | accepted by // Ceph",
                "403 | AccountProblem | | accepted by // GCS",
            })
    void whateverAServerSaysOfKeysIsToldAsKeys(int status, String code, String message, String told) {
        String words = told.replaceFirst(" //.*", "");
        line.faults(request -> Fault.raw(
                status,
                "application/xml",
                "<Error><Code>%s</Code><Message>%s</Message></Error>".formatted(code, message == null ? "" : message)));

        for (String action : new String[] {"read", "top", "write"}) {
            TrainerException failure;
            try (S3Prefix bucket = open(line.endpoint(), S3Server.KEYS)) {
                failure = catchThrowableOfType(TrainerException.class, () -> {
                    switch (action) {
                        case "read" -> bucket.read("manifest.json");
                        case "top" -> bucket.top();
                        default -> bucket.write("manifest.json", new byte[] {1});
                    }
                });
            }
            assertThat(failure.reason()).as(action).isEqualTo(Reason.InvalidConfiguration);
            assertThat(failure)
                    .as(action)
                    .hasMessageStartingWith("`spec.output.uri` s3://loras/mine: ")
                    .hasMessageContaining("of the Secret keys must be")
                    .hasMessageContaining(words)
                    .hasMessageEndingWith("(" + code + ")");
        }
    }

    @ParameterizedTest
    @CsvSource({"404", "403", "405", "501"})
    void anotherKindOfServerIsToldAsThatAndNotAsAMissingBucket(int status) {
        line.faults(request -> Fault.raw(status, "text/html", "<!DOCTYPE HTML><html><p>File not found</html>"));

        for (boolean lists : new boolean[] {true, false}) {
            TrainerException failure;
            try (S3Prefix bucket = open(line.endpoint(), S3Server.KEYS)) {
                failure = catchThrowableOfType(TrainerException.class, () -> {
                    if (lists) {
                        bucket.top();
                    } else {
                        bucket.read("manifest.json");
                    }
                });
            }
            assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
            assertThat(failure)
                    .hasMessage(
                            "`spec.output.uri` s3://loras/mine: %s must be a server of S3, but its answer is none of S3's; correct AWS_ENDPOINT_URL (HTTP %d)"
                                    .formatted(line.endpoint(), status));
        }
    }

    @Test
    void pageInThePlaceOfAManifestIsAnotherServers() {
        line.faults(request -> Fault.raw(200, "text/html", "<!doctype html><p>It works!"));

        TrainerException failure;
        try (S3Prefix bucket = open(line.endpoint(), S3Server.KEYS)) {
            failure = catchThrowableOfType(TrainerException.class, () -> bucket.read("manifest.json"));
        }

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure).hasMessageEndingWith("correct AWS_ENDPOINT_URL (a web page)");
    }

    @ParameterizedTest
    @CsvSource({
        "manifest.json, true, s3:GetObject and s3:ListBucket",
        "manifest.json, false, s3:GetObject and s3:ListBucket",
        "'', false, s3:GetObject and s3:ListBucket",
        "'', true, s3:GetObject"
    })
    void whatMayBeAbsentNeedsTheRightToListToo(String read, boolean lists, String rights) {
        line.faults(request -> lists && request.contains("list-type=2")
                ? Fault.raw(200, "application/xml", "<ListBucketResult></ListBucketResult>")
                : Fault.answer(403, "AccessDenied"));

        TrainerException failure;
        try (S3Prefix bucket = open(line.endpoint(), S3Server.KEYS)) {
            failure = catchThrowableOfType(TrainerException.class, () -> {
                if (read.isEmpty()) {
                    bucket.exists("mine.safetensors");
                } else {
                    bucket.read(read);
                }
            });
        }

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure)
                .hasMessageStartingWith("`spec.output.uri` s3://loras/mine: the Secret keys must be allowed " + rights
                        + " in the bucket loras, but is not");
    }

    @Test
    void pageOfAnotherServerIsNoListing() {
        line.faults(request -> Fault.raw(200, "text/html", "<!doctype html><p>It works!<br>"));

        TrainerException failure;
        try (S3Prefix bucket = open(line.endpoint(), S3Server.KEYS)) {
            failure = catchThrowableOfType(TrainerException.class, bucket::top);
        }

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure)
                .hasMessageStartingWith("`spec.output.uri` s3://loras/mine: " + line.endpoint()
                        + " must be a server of S3, but its answer is none of S3's");
    }

    @Test
    void serverThatIsNotThereMayBeThereLater() throws IOException {
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }

        TrainerException failure = failure(open(URI.create("http://127.0.0.1:" + port), S3Server.KEYS));

        assertThat(failure.reason()).isEqualTo(Reason.SourceUnreachable);
        assertThat(failure)
                .hasMessageStartingWith("`spec.output.uri` s3://loras/mine: http://127.0.0.1:" + port
                        + " must be reachable, but is not: ")
                .hasMessageContaining("refused");
    }

    @Test
    void nameThatNobodyKnowsMayBeKnownLater() {
        TrainerException failure = failure(open(URI.create("http://nowhere.invalid:9000"), S3Server.KEYS));

        assertThat(failure.reason()).isEqualTo(Reason.SourceUnreachable);
        assertThat(failure)
                .hasMessage(
                        "`spec.output.uri` s3://loras/mine: http://nowhere.invalid:9000 must be reachable, but is not: its name is not known (DNS); the same command goes on once it is");
    }

    @Test
    void serverWithoutTlsIsNotTakenForOneThatIsAway() throws IOException {
        URI server = S3Server.running().endpoint();

        TrainerException failure = failure(open(URI.create("https://127.0.0.1:" + server.getPort()), S3Server.KEYS));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure).hasMessageContaining("must have a certificate that is trusted here, or speak TLS at all");
    }

    @Test
    void withoutKeysARefusalSaysWhatToSet() {
        line.faults(request -> Fault.answer(403, "AccessDenied"));
        Map<String, String> environment =
                new HashMap<>(Map.of("AWS_ENDPOINT_URL", line.endpoint().toString(), "LORA_PVC_ROOT", "/claims"));

        TrainerException failure = failure(S3Prefix.open(
                S3Location.parse("spec.output.uri", "s3://loras/mine"),
                S3Access.of("spec.output", null, Map.of(), environment::get),
                S3Server.QUICK));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure)
                .hasMessage(
                        "`spec.output.uri` s3://loras/mine: the bucket loras must be public or there must be keys for it, but it is not and there are none; set `spec.output.secretRef`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AccessDenied)");
    }

    @Test
    void identityThatIsMeantAndGivesNoKeysIsNoAnonymousAccess() {
        Map<String, String> environment = Map.of(
                "AWS_ENDPOINT_URL",
                line.endpoint().toString(),
                "LORA_PVC_ROOT",
                "/claims",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "/nowhere");

        TrainerException failure = failure(S3Prefix.open(
                S3Location.parse("spec.output.uri", "s3://loras/mine"),
                S3Access.of("spec.output", null, Map.of(), environment::get),
                S3Server.QUICK));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure)
                .hasMessage(
                        "`spec.output.uri` s3://loras/mine: there must be keys for the bucket, but the pod has none; set `spec.output.secretRef`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        assertThat(line.requests()).isEmpty();
    }
}
