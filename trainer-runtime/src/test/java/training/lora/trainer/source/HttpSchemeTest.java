package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

class HttpSchemeTest extends HttpFetchingTests {
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
    void serverThatSaysNothingOfItsContentIsReadEachTime() {
        server.on("/m", exchange -> exchange.send(200, body, Integer.MAX_VALUE));

        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);
        assertThat(fetching.path(model(server.url("/m")))).hasBinaryContent(body);

        assertThat(server.requests()).hasSize(4);
        assertThat(fetching.fetched.all().get(0).fingerprint()).isNull();
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
