package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** What is asked for again, gone on with, or given up. */
class HttpTriesTest extends HttpFetchingTests {
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
}
