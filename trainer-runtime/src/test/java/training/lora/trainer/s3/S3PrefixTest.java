package training.lora.trainer.s3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.s3.FaultyLine.Fault;

/** Files in a bucket of a server that behaves as AWS does. */
class S3PrefixTest {
    @TempDir
    Path folder;

    private S3Server server;
    private String bucket;
    private S3Prefix prefix;

    @BeforeEach
    void bucket() throws IOException {
        server = S3Server.running();
        bucket = server.newBucket();
        prefix = server.open("s3://" + bucket + "/loras/mine");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private Path file(int size) throws IOException {
        byte[] content = new byte[size];
        new Random(size).nextBytes(content);
        return Files.write(folder.resolve(size + ".bin"), content);
    }

    private byte[] stored(String key) {
        try (var client = server.client()) {
            return client.getObjectAsBytes(r -> r.bucket(bucket).key(key)).asByteArray();
        }
    }

    @Test
    void namesAreRelativeToThePrefixAndOthersAreNotSeen() {
        for (int i = 0; i < 7; i++) {
            prefix.write("checkpoints/step-%06d/proof.json".formatted(i), bytes("[]"));
        }
        prefix.write("manifest.json", bytes("{}"));
        try (var client = server.client()) {
            for (String key : List.of("loras/mine2/a", "loras/a", "loras/mine/", "loras/mine/made-by-a-console/")) {
                client.putObject(
                        r -> r.bucket(bucket).key(key), software.amazon.awssdk.core.sync.RequestBody.fromString(""));
            }
        }

        assertThat(prefix.list("checkpoints/"))
                .extracting(S3Prefix.Entry::name)
                .containsExactlyElementsOf(IntStream.range(0, 7)
                        .mapToObj("checkpoints/step-%06d/proof.json"::formatted)
                        .toList());
        assertThat(prefix.list("")).hasSize(8);
        assertThat(prefix.top()).containsExactlyInAnyOrder("checkpoints", "made-by-a-console", "manifest.json");
        assertThat(prefix.read("manifest.json")).isEqualTo(bytes("{}"));
        assertThat(prefix.read("nothing")).isNull();
        assertThat(prefix.exists("nothing")).isFalse();
    }

    @Test
    void bucketItselfIsAPlaceToo() {
        try (S3Prefix whole = server.open("s3://" + bucket)) {
            whole.write("a/b", bytes("1"));

            assertThat(whole.list("")).extracting(S3Prefix.Entry::name).containsExactly("a/b");
            assertThat(stored("a/b")).isEqualTo(bytes("1"));
        }
    }

    @Test
    void smallAndLargeFilesComeWholeAndTheSameIsNotSentAgain() throws IOException {
        for (int size : new int[] {0, 1000, 12 << 20}) {
            Path file = file(size);
            String sha256 = Sha256.of(file);

            assertThat(prefix.upload("a.safetensors", file, sha256)).isTrue();
            assertThat(prefix.upload("a.safetensors", file, sha256)).isFalse();

            assertThat(stored("loras/mine/a.safetensors")).isEqualTo(Files.readAllBytes(file));
        }
    }

    @Test
    void otherContentOfTheSameSizeIsSent() throws IOException {
        Path file = file(1000);
        prefix.upload("a", file, Sha256.of(file));
        Files.write(file, new byte[1000]);

        assertThat(prefix.upload("a", file, Sha256.of(file))).isTrue();

        assertThat(stored("loras/mine/a")).isEqualTo(new byte[1000]);
    }

    @Test
    void objectThatSomebodyElsePutThereIsNotTakenForTheSame() throws IOException {
        Path file = file(1000);
        prefix.write("a", Files.readAllBytes(file));

        assertThat(prefix.upload("a", file, Sha256.of(file))).isTrue();
    }

    @Test
    void oneOfManyThatBeginAtOnceMakesAnObject() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try {
            Callable<Boolean> create = () -> prefix.create(
                    ".publishing.json", bytes(Thread.currentThread().getName()));
            List<Future<Boolean>> all = pool.invokeAll(java.util.Collections.nCopies(8, create));
            int made = 0;
            for (Future<Boolean> one : all) {
                made += one.get() ? 1 : 0;
            }

            assertThat(made).isEqualTo(1);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void serverWithoutConditionsIsWrittenToAllTheSame() throws IOException {
        try (FaultyLine line = FaultyLine.to(server.port());
                S3Prefix old = S3Server.open("s3://" + bucket + "/old", line.endpoint())) {
            AtomicInteger puts = new AtomicInteger();
            line.faults(request -> request.startsWith("PUT") && puts.incrementAndGet() == 1
                    ? Fault.answer(501, "NotImplemented")
                    : null);

            assertThat(old.create("a", bytes("1"))).isTrue();
            puts.set(0);
            assertThat(old.create("a", bytes("2"))).isFalse();
        }

        assertThat(stored("old/a")).isEqualTo(bytes("1"));
    }

    @Test
    void cutConnectionsAndOverloadedServersAreTriedAgain() throws IOException {
        Path file = file(12 << 20);
        try (FaultyLine line = FaultyLine.to(server.port());
                S3Prefix far = S3Server.open("s3://" + bucket + "/far", line.endpoint())) {
            AtomicInteger parts = new AtomicInteger();
            line.faults(request -> {
                if (!request.contains("partNumber=2")) {
                    return null;
                }
                int tries = parts.incrementAndGet();
                return tries == 1 ? Fault.cutAfter(1 << 20) : tries == 2 ? Fault.answer(503, "SlowDown") : null;
            });

            assertThat(far.upload("a", file, Sha256.of(file))).isTrue();
            assertThat(parts.get()).isEqualTo(3);
            assertThat(line.requests().stream().filter(r -> r.contains("partNumber=1")))
                    .hasSize(1);
        }

        assertThat(stored("far/a")).isEqualTo(Files.readAllBytes(file));
    }

    @Test
    void uploadThatFailsLeavesNeitherAnObjectNorParts() throws IOException {
        Path file = file(12 << 20);
        try (FaultyLine line = FaultyLine.to(server.port());
                S3Prefix full = S3Server.open("s3://" + bucket + "/full", line.endpoint())) {
            line.faults(request -> request.contains("partNumber=2") ? Fault.answer(507, "InsufficientStorage") : null);

            assertThatThrownBy(() -> full.upload("a", file, Sha256.of(file)))
                    .isInstanceOfSatisfying(
                            TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.StorageFull));
        }

        try (var client = server.client()) {
            assertThat(client.listObjectsV2(r -> r.bucket(bucket)).contents()).isEmpty();
            assertThat(client.listMultipartUploads(r -> r.bucket(bucket)).uploads())
                    .isEmpty();
        }
    }

    @Test
    void partsOfAKilledProcessAreGivenUpAndThoseOfOthersStay() {
        try (var client = server.client()) {
            for (String key : List.of("loras/mine/mine.safetensors", "loras/mine/theirs", "loras/other")) {
                client.createMultipartUpload(r -> r.bucket(bucket).key(key));
            }

            prefix.abandonUploads(name -> name.equals("mine.safetensors"));

            assertThat(client.listMultipartUploads(r -> r.bucket(bucket)).uploads())
                    .extracting(u -> u.key())
                    .containsExactlyInAnyOrder("loras/mine/theirs", "loras/other");
        }
    }

    @Test
    void fileThatIsGoneIsNoFaultOfTheBucket() {
        assertThatThrownBy(() -> prefix.upload("a", folder.resolve("gone"), "0"))
                .isInstanceOf(NoSuchFileException.class);
    }

    @Test
    void deletedTwiceIsNoFailure() {
        prefix.write("a", bytes("1"));

        prefix.delete("a");
        prefix.delete("a");

        assertThat(prefix.list("")).isEmpty();
    }
}
