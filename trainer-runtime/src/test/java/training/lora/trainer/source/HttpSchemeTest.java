package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;

class HttpSchemeTest {
    private static final String ETAG = "\"one\"";

    @TempDir
    Path folder;

    private final byte[] body = safetensors(300_000, 1);
    private TestServer server;
    private Fetching fetching;

    @BeforeEach
    void start() throws IOException {
        server = new TestServer();
        fetching = new Fetching(folder);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    /** Bytes that begin as a safetensors file does. */
    private static byte[] safetensors(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        byte[] header = "{\"__metadata__\":{}}     ".getBytes(StandardCharsets.US_ASCII);
        ByteBuffer.wrap(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header);
        return bytes;
    }

    private static String sha256(byte[] bytes) {
        return new Sha256().add(ByteBuffer.wrap(bytes)).hex();
    }

    private Source model(String url) {
        return model(url, null, null);
    }

    private static Source model(String url, @Nullable String sha256, @Nullable String secret) {
        return new Source("spec.baseModel.uri", url, Use.BaseModel, sha256, secret);
    }

    private void secret(String name, String key, String value) throws IOException {
        Path file = folder.resolve("secrets").resolve(name).resolve(key);
        Files.createDirectories(file.getParent());
        Files.writeString(file, value + "\n");
        fetching.with("LORA_SECRETS", folder.resolve("secrets").toString());
    }

    @Test
    void fileIsFetchedOnceAndItsETagAskedEachTime() throws IOException {
        Source source = model(server.file("/m.safetensors", body, ETAG).url("/m.safetensors?token=hidden"));

        Path file = fetching.path(source);

        assertThat(file).hasBinaryContent(body).hasFileName("m.safetensors");
        assertThat(server.take())
                .extracting(TestServer.Request::method, TestServer.Request::range)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple("GET", "bytes=0-0"),
                        org.assertj.core.groups.Tuple.tuple("GET", "bytes=0-"));
        FetchedSource entry = fetching.entry(source);
        assertThat(entry.version()).isEqualTo("ETag " + ETAG);
        assertThat(entry.digest()).isEqualTo(sha256(body));
        assertThat(entry.bytes()).isEqualTo(body.length);
        assertThat(Files.readString(fetching.fetched.file())).doesNotContain("hidden");
        assertThat(fetching.progress).startsWith(0L).endsWith((long) body.length);

        assertThat(fetching.path(source)).isEqualTo(file);
        assertThat(server.take()).extracting(TestServer.Request::range).containsExactly("bytes=0-0");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "false | ; for a place that isn't, name a Secret in `spec.baseModel.secretRef` and put its token into the file LORA_SECRETS/NAME/token",
                "true | ; for a place that isn't, name a Secret with the key token in `spec.baseModel.secretRef`",
            })
    void refusalSaysHowATokenIsGivenHere(boolean pod, String remedy) {
        server.on("/m", exchange -> exchange.fail(401, Map.of()));
        if (pod) {
            fetching.with("LORA_PVC_ROOT", "/pvc").with("LORA_SOURCES_ALLOW", "127.0.0.0/8");
        }

        assertThat(fetching.refused(model(server.url("/m")))).hasMessageEndingWith(remedy);
    }

    @Test
    void fileThatWasDamagedOnItsWayIsFetchedOnceMore() throws IOException {
        byte[] damaged = body.clone();
        damaged[200_000] ^= 1;
        AtomicInteger sent = new AtomicInteger();
        server.on("/m", exchange -> exchange.file(sent.incrementAndGet() == 1 ? damaged : body, ETAG, body.length));
        Source source = model(server.url("/m"), sha256(body), null);

        assertThat(fetching.path(source)).hasBinaryContent(body);
        assertThat(sent.get()).isEqualTo(2);
    }

    @Test
    void fileThatCameWithTwoDigestsIsNotRefusedForGood() {
        AtomicInteger sent = new AtomicInteger();
        server.on("/m", exchange -> {
            byte[] damaged = body.clone();
            damaged[200_000] ^= (byte) Math.max(0, 3 - sent.incrementAndGet());
            exchange.file(damaged, ETAG, body.length);
        });
        Source source = model(server.url("/m"), sha256(body), null);

        assertThat(fetching.refused(source)).hasMessageContaining("must be the sha256 of");
        assertThat(fetching.path(source)).hasBinaryContent(body);
    }

    @Test
    void whatWasRefusedIsFetchedAgainAfterAWeek() throws IOException {
        Source source = model(server.file("/m", body, ETAG).url("/m"), "0".repeat(64), null);
        fetching.refused(source);
        server.take();
        try (Stream<Path> known = Files.list(fetching.cache.root().resolve("known"))) {
            for (Path file : known.toList()) {
                Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(Duration.ofDays(8))));
            }
        }

        fetching.refused(source);

        assertThat(server.take()).hasSize(2);
    }

    @Test
    void fileOfAnotherDigestIsFetchedTwiceToBeRefusedAndThenNoMore() {
        String url = server.file("/m", body, ETAG).url("/m");
        Source source = model(url, "0".repeat(64), null);
        String told = fetching.refused(source).getMessage();
        long first = server.take().size();
        fetching.progress.clear();

        assertThat(fetching.refused(source)).hasMessage(told);

        assertThat(first).isEqualTo(2);
        assertThat(fetching.progress).containsOnly(0L);
        assertThat(fetching.path(model(url, sha256(body).toUpperCase(Locale.ROOT), null)))
                .hasBinaryContent(body);
        server.file("/m", safetensors(1000, 2), "\"two\"");
        assertThat(fetching.refused(source)).hasMessageContaining(sha256(safetensors(1000, 2)));
    }

    @Test
    void secretWithoutAnyKeyIsToldAsThat() throws IOException {
        secret("civitai", ".hidden", "none");

        assertThat(fetching.refused(model(server.url("/m"), null, "civitai")))
                .hasMessage(
                        "`spec.baseModel.secretRef` must name a Secret with the keys token, username and password, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, but civitai has none of them");
    }

    @Test
    void fileOfAKnownDigestIsNotAskedForAgain() {
        Source source = model(server.file("/m", body, ETAG).url("/m"), sha256(body), null);
        assertThat(fetching.path(source)).hasBinaryContent(body);
        assertThat(server.take()).extracting(TestServer.Request::range).containsExactly("bytes=0-");

        assertThat(fetching.path(source)).hasBinaryContent(body);

        assertThat(server.requests()).isEmpty();
    }

    @Test
    void otherContentBehindTheSameUrlIsFetched() {
        Source source = model(server.file("/m", body, ETAG).url("/m"));
        fetching.path(source);
        byte[] other = safetensors(200_000, 2);
        server.file("/m", other, "\"two\"");

        assertThat(fetching.path(source)).hasBinaryContent(other);
        assertThat(fetching.fetched.all()).hasSize(1);
    }

    @Test
    void cutConnectionGoesOnWhereItWasFromTheUrlThatWasNamed() throws IOException {
        AtomicInteger content = new AtomicInteger();
        TestServer store = new TestServer();
        try (store) {
            store.on("/stored", exchange -> {
                boolean first = "bytes=0-".equals(exchange.header("Range")) && content.getAndIncrement() == 0;
                exchange.file(body, ETAG, first ? 100_000 : Integer.MAX_VALUE);
            });
            server.on("/m", exchange -> exchange.fail(302, Map.of("Location", store.url("/stored?signature=x"))));

            assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);

            assertThat(server.requests()).hasSize(3);
            TestServer.Request last = store.requests().get(2);
            assertThat(last.range()).matches("bytes=[1-9]\\d*-");
            int begin = Integer.parseInt(String.valueOf(last.range()).replaceAll("\\D", ""));
            assertThat(begin).isBetween(1, 100_000);
            assertThat(last.ifRange()).isEqualTo(ETAG);
            assertThat(fetching.waits).isNotEmpty();
        }
    }

    @Test
    void fileThatIsReplacedWhileItComesIsFetchedByTheNextAttempt() {
        byte[] other = safetensors(250_000, 3);
        AtomicInteger asked = new AtomicInteger();
        server.on("/m", exchange -> {
            switch (asked.getAndIncrement()) {
                case 0 -> exchange.file(body, ETAG, Integer.MAX_VALUE);
                case 1 -> exchange.file(body, ETAG, 100_000);
                default -> exchange.file(other, "\"two\"", Integer.MAX_VALUE);
            }
        });

        TrainerException failure = fetching.refused(model(server.url("/m")));

        assertThat(failure.reason()).isEqualTo(Reason.SourceUnreachable);
        assertThat(failure)
                .hasMessageContaining("must stay as it is while it is fetched, but had 300000 bytes and has 250000");
        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(other);
    }

    @Test
    void beginningOfAnotherFileIsNotKept() throws IOException {
        // An ETag that two contents share, as servers have it that make it of size and date.
        byte[] other = safetensors(300_000, 4);
        AtomicInteger asked = new AtomicInteger();
        server.on(
                "/m",
                exchange -> exchange.file(
                        asked.getAndIncrement() == 0 ? other : body,
                        ETAG,
                        asked.get() == 1 ? 100_000 : Integer.MAX_VALUE));

        assertThat(fetching.path(model(server.url("/m"), sha256(body), null))).hasBinaryContent(body);

        assertThat(server.requests())
                .extracting(TestServer.Request::range)
                .hasSize(3)
                .startsWith("bytes=0-")
                .endsWith("bytes=0-");
    }

    @Test
    void serverWithoutRangesIsReadFromTheBeginning() {
        AtomicInteger asked = new AtomicInteger();
        server.on("/m", exchange -> {
            exchange.set("ETag", ETAG);
            exchange.send(200, body, asked.getAndIncrement() == 1 ? 100_000 : Integer.MAX_VALUE);
        });

        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);
        assertThat(asked).hasValue(3);
        assertThat(fetching.progress).endsWith((long) body.length);
    }

    @Test
    void serverThatSaysNothingOfItsContentIsReadEachTime() {
        server.on("/m", exchange -> exchange.send(200, body, Integer.MAX_VALUE));

        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);
        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);

        assertThat(server.requests()).hasSize(4);
        assertThat(fetching.fetched.all().get(0).fingerprint()).isNull();
    }

    @ParameterizedTest
    @CsvSource({"429,7,7", "503,0,0", "503,'',0.5", "500,,0.5", "408,,0.5", "429,'Thu, 01 Jan 1970 00:00:00 GMT',0"})
    void busyServerIsAskedAgainAfterTheTimeThatItNames(int status, @Nullable String after, double seconds) {
        AtomicInteger asked = new AtomicInteger();
        server.on("/m", exchange -> {
            if (asked.getAndIncrement() == 0) {
                exchange.fail(status, after == null ? Map.of() : Map.of("Retry-After", after));
            } else {
                exchange.file(body, ETAG, Integer.MAX_VALUE);
            }
        });

        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);

        assertThat(fetching.waits.stream().mapToLong(Duration::toMillis).sum()).isEqualTo((long) (1000 * seconds));
    }

    @Test
    void serverThatStaysBusyIsUnreachable() {
        server.on("/m", exchange -> exchange.fail(503, Map.of()));

        TrainerException failure = fetching.refused(model(server.url("/m?sig=secret")));

        assertThat(failure.reason()).isEqualTo(Reason.SourceUnreachable);
        assertThat(failure)
                .hasMessage("`spec.baseModel.uri` " + server.url("/m")
                        + " must be reachable, but 127.0.0.1 answered 503 Service Unavailable, at the last of 6 tries");
        assertThat(server.requests()).hasSize(6);
        assertThat(fetching.waits.stream().mapToLong(Duration::toMillis).sum())
                .isEqualTo(500 + 1000 + 2000 + 4000 + 8000);
    }

    @Test
    void serverThatWantsToBeLeftAloneForLongIsLeftAlone() {
        server.on("/m", exchange -> exchange.fail(429, Map.of("Retry-After", "3600")));

        TrainerException failure = fetching.refused(model(server.url("/m")));

        assertThat(failure.reason()).isEqualTo(Reason.SourceUnreachable);
        assertThat(failure).hasMessageContaining("asks to be left alone for 3600 seconds");
        assertThat(server.requests()).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "401 | must be open to all, but 127.0.0.1 answered 401",
                "403 | must be open to all, but 127.0.0.1 answered 403",
                "404 | must name a file, but 127.0.0.1 answered 404",
                "410 | must name a file, but 127.0.0.1 answered 410",
                "418 | must be answered with a file, but 127.0.0.1 answered 418"
            })
    void answerThatNoTryChangesIsTold(int status, String sentence) {
        server.on("/m", exchange -> exchange.fail(status, Map.of()));

        TrainerException failure = fetching.refused(model(server.url("/m")));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure).hasMessageContaining(sentence);
        assertThat(server.requests()).hasSize(1);
    }

    @Test
    void hostThatNobodyKnowsAndPortThatNobodyHasAreUnreachable() throws IOException {
        server.close();
        for (String url : List.of(server.url("/m"), "http://no-such-host.invalid/m")) {
            assertThat(fetching.refused(model(url)).reason()).as(url).isEqualTo(Reason.SourceUnreachable);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'  <!DOCTYPE HTML><title>Log in</title>' | m is a web page (HTML)",
                "'<html><head>' | m is a web page (HTML)",
                "'version https://git-lfs.github.com/spec/v1' | m is a pointer of Git LFS",
                "'\u0080\u0002}q\u0001' | m is a pickle",
                "'PK\u0003\u0004......................archive/data.pkl' | m is a pickle"
            })
    void whatIsNoFileOfAModelIsToldByItsContent(String content, String sentence) {
        server.file("/m", content.getBytes(StandardCharsets.ISO_8859_1), ETAG);

        TrainerException failure = fetching.refused(model(server.url("/m")));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidBaseModel);
        assertThat(failure).hasMessageContaining(sentence);
        assertThat(fetching.cache.root().resolve("blobs")).doesNotExist();
    }

    @Test
    void largePickleIsRefusedBeforeAllOfItHasCome() {
        byte[] pickle = new byte[20_000_000];
        pickle[0] = (byte) 0x80;
        pickle[1] = 2;
        server.file("/m", pickle, ETAG);

        assertThat(fetching.refused(model(server.url("/m")))).hasMessageContaining("is a pickle");
        assertThat(fetching.progress.get(fetching.progress.size() - 1)).isLessThan(pickle.length);
    }

    @Test
    void otherDigestThanTheSpecsIsRefusedAndNotKept() {
        String other = sha256(new byte[1]);
        server.file("/m", body, ETAG);

        TrainerException failure = fetching.refused(model(server.url("/m"), other, null));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidBaseModel);
        assertThat(failure)
                .hasMessage("`spec.baseModel.sha256` must be the sha256 of %s, which has %s, was %s"
                        .formatted(server.url("/m"), sha256(body), other));
        assertThat(fetching.cache.blob(sha256(body))).doesNotExist();
        Source data = new Source("spec.datasets[0].uri", server.url("/m"), Use.Dataset, other, null);
        assertThat(fetching.refused(data).reason()).isEqualTo(Reason.InvalidData);
    }

    @Test
    void moreThanTheLimitIsNotFetched() {
        fetching.with("LORA_SOURCES_LIMIT", "299999");
        server.file("/m", body, ETAG);
        server.on("/unknown", exchange -> exchange.send(200, body, Integer.MAX_VALUE));

        TrainerException failure = fetching.refused(model(server.url("/m")));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure).hasMessageContaining("must have at most 299999 bytes (LORA_SOURCES_LIMIT), but has 300000");
        assertThat(server.requests()).hasSize(1);
        assertThat(fetching.refused(model(server.url("/unknown")))).hasMessageContaining("at most 299999 bytes");
    }

    @Test
    void tokenGoesToTheNamedHostAlone() throws IOException {
        secret("civitai", "token", "t0k3n");
        try (TestServer store = new TestServer()) {
            // A presigned url refuses a second authorization, as S3 does.
            store.on("/stored", exchange -> {
                if (exchange.header("Authorization") != null) {
                    exchange.fail(400, Map.of());
                } else {
                    exchange.set("Content-Disposition", "attachment; filename=\"My LoRA.safetensors\"");
                    exchange.file(body, ETAG, Integer.MAX_VALUE);
                }
            });
            server.on("/here", exchange -> exchange.fail(307, Map.of("Location", "/there")));
            server.on("/there", exchange -> {
                boolean known = "Bearer t0k3n".equals(exchange.header("Authorization"));
                exchange.fail(known ? 302 : 401, known ? Map.of("Location", store.url("/stored")) : Map.of());
            });

            Path file = fetching.path(model(server.url("/here"), null, "civitai"));

            assertThat(file).hasBinaryContent(body).hasFileName("My LoRA.safetensors");
            assertThat(store.requests())
                    .extracting(TestServer.Request::authorization)
                    .containsOnlyNulls();
            assertThat(store.requests()).extracting(TestServer.Request::method).containsOnly("GET");
            assertThat(fetching.refused(model(server.url("/here"))))
                    .hasMessageContaining("; for a place that isn't, name a Secret in `spec.baseModel.secretRef`");
        }
    }

    @Test
    void userAndPasswordAreSentAsBasic() throws IOException {
        secret("nas", "username", "me");
        secret("nas", "password", "pässword");
        server.file("/m", body, ETAG);

        fetching.path(model(server.url("/m"), null, "nas"));

        assertThat(server.requests())
                .extracting(TestServer.Request::authorization)
                .containsOnly("Basic bWU6cMOkc3N3b3Jk");
    }

    @Test
    void secretThatIsNotThereOrLacksItsKeysIsTold() throws IOException {
        server.file("/m", body, ETAG);
        assertThat(fetching.refused(model(server.url("/m"), null, "civitai")))
                .hasMessage(
                        "`spec.baseModel.secretRef` names the Secret civitai, of which this machine knows nothing: LORA_SECRETS must name a folder with civitai/token");
        secret("nas", "username", "me");
        assertThat(fetching.refused(model(server.url("/m"), null, "nas")))
                .hasMessage(
                        "`spec.baseModel.secretRef` must name a Secret with token, or username and password, but nas has [username]");
        assertThat(fetching.refused(model(server.url("/m"), null, "civitai")))
                .hasMessage(
                        "`spec.baseModel.secretRef` must name a Secret that the run is given, with the keys token, username and password, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, but there is no civitai in "
                                + folder.resolve("secrets"));
        assertThat(server.requests()).isEmpty();
    }

    @Test
    void redirectsThatLeadNowhereAreTold() {
        server.on("/a", exchange -> exchange.fail(302, Map.of("Location", "/b")));
        server.on("/b", exchange -> exchange.fail(302, Map.of("Location", "/a")));
        server.on("/file", exchange -> exchange.fail(302, Map.of("Location", "file:///etc/passwd")));
        for (int i = 0; i < 20; i++) {
            int next = i + 1;
            server.on("/" + i, exchange -> exchange.fail(302, Map.of("Location", "/" + next)));
        }

        assertThat(fetching.refused(model(server.url("/a")))).hasMessageContaining("leads in a circle");
        assertThat(fetching.refused(model(server.url("/0")))).hasMessageContaining("is redirected more than 10 times");
        assertThat(fetching.refused(model(server.url("/file")))).hasMessageContaining("redirects to file");
    }

    @Test
    void podFollowsNoRedirectToAPrivateAddress() throws IOException {
        try (TestServer inside = new TestServer()) {
            inside.file("/secret", body, ETAG);
            server.on("/m", exchange -> exchange.fail(302, Map.of("Location", inside.url("/secret"))));
            server.on(
                    "/meta",
                    exchange -> exchange.fail(302, Map.of("Location", "https://169.254.169.254/latest/meta-data")));
            fetching.with("LORA_PVC_ROOT", "/pvc").with("LORA_SOURCES_ALLOW", "127.0.0.1:" + server.port());

            TrainerException plain = fetching.refused(model(server.url("/m")));
            TrainerException metadata = fetching.refused(model(server.url("/meta")));

            assertThat(plain.reason()).isEqualTo(Reason.InvalidConfiguration);
            assertThat(plain).hasMessageContaining("must be https://, or its host be one that the platform allows");
            // https to http is refused as such; this redirect is to https.
            assertThat(metadata)
                    .hasMessageContaining("must not lead to a private address, but 169.254.169.254 is 169.254.169.254");
            assertThat(inside.requests()).isEmpty();
            fetching.with("LORA_SOURCES_ALLOW", "127.0.0.1");
            assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);
        }
    }

    @Test
    void downloadThatIsAskedToStopGoesOnInTheNextProcess() {
        server.file("/m", body, ETAG);
        Source source = model(server.url("/m"));
        fetching.stopping =
                () -> !fetching.progress.isEmpty() && fetching.progress.get(fetching.progress.size() - 1) > 0;
        assertThatThrownBy(() -> fetching.path(source))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.Preempted));
        long had = fetching.progress.get(fetching.progress.size() - 1);
        fetching.stopping = () -> false;
        server.take();

        assertThat(fetching.path(source)).hasBinaryContent(body);

        assertThat(had).isBetween(1L, 299_999L);
        assertThat(server.requests())
                .extracting(TestServer.Request::range)
                .containsExactly("bytes=0-0", "bytes=" + had + "-");
    }

    @Test
    void ofTwoProcessesOneFetchesAndTheOtherFindsTheFile() throws Exception {
        AtomicInteger contents = new AtomicInteger();
        java.util.concurrent.CountDownLatch begun = new java.util.concurrent.CountDownLatch(1);
        java.util.concurrent.CountDownLatch other = new java.util.concurrent.CountDownLatch(2);
        server.on("/m", exchange -> {
            if ("bytes=0-".equals(exchange.header("Range"))) {
                contents.incrementAndGet();
                begun.countDown();
                await(other);
            } else {
                other.countDown();
            }
            exchange.file(body, ETAG, Integer.MAX_VALUE);
        });
        Source source = model(server.url("/m"));

        CompletableFuture<Path> first = CompletableFuture.supplyAsync(() -> fetching.path(source));
        await(begun);
        // Another workspace with the same cache.
        Fetching another = new Fetching(folder.resolve("another"), fetching.cache);
        CompletableFuture<Path> second = CompletableFuture.supplyAsync(() -> another.path(source));

        assertThat(first.get()).hasBinaryContent(body);
        assertThat(second.get()).isEqualTo(first.get());
        assertThat(contents).hasValue(1);
        assertThat(another.fetched.find(source)).isEqualTo(fetching.fetched.find(source));
    }

    @Test
    void signatureOfAUrlIsInNoFile() throws IOException {
        server.file("/m", body, ETAG);

        fetching.path(model(server.url("/m?X-Amz-Signature=SECRET")));

        try (Stream<Path> files = Files.walk(folder)) {
            assertThat(files.filter(Files::isRegularFile)).hasSizeGreaterThan(2).noneMatch(file -> bytes(file)
                    .contains("SECRET"));
        }
    }

    private static String bytes(Path file) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void whatWasHashedWhileItCameIsNotHashedAgain() throws IOException {
        byte[] large = safetensors(2 << 20, 2);
        Path file = fetching.path(model(server.file("/m", large, ETAG).url("/m")));

        // Of a file as young as this a digest that is computed is not remembered.
        assertThat(folder.resolve(".digests.json"))
                .content()
                .contains(file.toRealPath() + "")
                .contains(sha256(large));
    }

    @Test
    void serverThatSaysOfTheWholeFileThatThereIsNoSuchRangeIsRefused() {
        server.on("/m", exchange -> {
            if ("bytes=0-0".equals(exchange.header("Range"))) {
                exchange.file(body, ETAG, Integer.MAX_VALUE);
            } else {
                exchange.fail(416, Map.of());
            }
        });

        TrainerException failure = fetching.refused(model(server.url("/m")));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure).hasMessageContaining("must be answered with a file, but 127.0.0.1 answered 416");
        assertThat(server.requests())
                .extracting(TestServer.Request::range)
                .containsExactly("bytes=0-0", "bytes=0-", null);
    }

    @Test
    void fetchThatNobodyWaitsForEndsInsteadOfTryingOn() {
        Tries tries = new Tries(new Surroundings(name -> null, () -> false), duration -> {
            throw new InterruptedException();
        });

        assertThatThrownBy(() -> tries.run(model("https://a/b"), "b", () -> {
                    throw new TransientException("is away", null, null);
                }))
                .isInstanceOf(java.util.concurrent.CancellationException.class);
        assertThat(Thread.interrupted()).isTrue();
    }

    private static void await(java.util.concurrent.CountDownLatch latch) {
        try {
            if (!latch.await(20, java.util.concurrent.TimeUnit.SECONDS)) {
                throw new IllegalStateException("nobody came");
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void damagedFileOfTheCacheIsFetchedAnew() throws IOException {
        server.file("/m", body, ETAG);
        Path file = fetching.path(model(server.url("/m")));
        byte[] damaged = body.clone();
        damaged[1000] ^= 1;
        Files.write(file, damaged);
        server.take();

        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);

        assertThat(server.requests()).extracting(TestServer.Request::range).containsExactly("bytes=0-0", "bytes=0-");
    }

    @Test
    void whatWasFetchedIsTakenWhereItsServerIsGoneByNow() throws IOException {
        Source source = model(server.file("/m", body, ETAG).url("/m"));
        Path file = fetching.path(source);
        server.on("/m", exchange -> exchange.fail(503, Map.of()));
        Fetcher fetcher = fetching.fetcher();

        assertThat(fetcher.path(source)).isEqualTo(file);

        assertThat(fetcher.notes())
                .singleElement()
                .asString()
                .startsWith("what was fetched before is taken, since `spec.baseModel.uri` ")
                .contains("answered 503");
    }
}
