package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.s3.FaultyLine;
import training.lora.trainer.s3.S3Prefix;
import training.lora.trainer.s3.S3Server;

/** Sources in buckets. */
class S3SchemeTest {
    @TempDir
    Path folder;

    private FaultyLine line;
    private S3Prefix bucket;
    private Fetching fetching;

    @BeforeEach
    void bucket() throws IOException {
        S3Server server = S3Server.running();
        bucket = server.open("s3://" + server.newBucket());
        line = FaultyLine.to(server.port());
        fetching = new Fetching(folder);
        fetching.with("AWS_ENDPOINT_URL", line.endpoint().toString()).with("AWS_REGION", "us-east-1");
        S3Server.KEYS.forEach(fetching::with);
    }

    @AfterEach
    void close() throws IOException {
        line.close();
        bucket.close();
    }

    private Source data(String path) {
        return source(path, null);
    }

    private Source source(String path, @Nullable String secret) {
        return new Source("spec.datasets[0].uri", bucket.location().uri() + path, Use.Dataset, null, secret);
    }

    private void put(String... names) {
        for (String name : names) {
            bucket.write(name, ("content of " + name).getBytes(StandardCharsets.UTF_8));
        }
    }

    private static Set<String> names(Path folder) throws IOException {
        Set<String> names = new TreeSet<>();
        try (Stream<Path> files = Files.walk(folder)) {
            files.filter(Files::isRegularFile)
                    .forEach(file -> names.add(folder.relativize(file).toString()));
        }
        return names;
    }

    private long gets() {
        return line.requests().stream()
                .filter(request -> request.matches("GET /bucket-\\d+/.+"))
                .count();
    }

    @Test
    void optionOfACommandNamesABucketToo() throws IOException {
        put("model.safetensors");
        String uri = bucket.location().uri() + "/model.safetensors";

        assertThat(fetching.path(new Source("--base", uri, Use.Dataset, null, null)))
                .hasContent("content of model.safetensors");

        TrainerException failure = fetching.refused(new Source("--base", uri + "s", Use.Dataset, null, null));
        assertThat(failure).hasMessageStartingWith("`--base` " + uri + "s must name an object");
        TrainerException form = fetching.refused(new Source("--base", "s3://b", Use.Dataset, null, null));
        assertThat(form).hasMessageStartingWith("`--base` must be s3://BUCKET/PREFIX");
    }

    @Test
    void keyWithAStepThatIsLongerThanAFilesNameIsRefused() {
        String name = "я".repeat(125) + ".png";
        String longer = "я".repeat(126) + ".png";
        put("fits/" + name, "long/" + longer);

        assertThat(fetching.path(data("/fits")).resolve(name)).exists();
        for (String path : List.of("/long", "/long/" + longer)) {
            TrainerException failure = fetching.refused(data(path));
            assertThat(failure.reason()).isEqualTo(Reason.InvalidData);
            assertThat(failure)
                    .hasMessageEndingWith("must hold objects whose keys can be files' names, but holds " + longer);
        }
    }

    @Test
    void prefixIsAFolderOfWhatIsNeededAndIsFetchedOnce() throws IOException {
        put("set/a.png", "set/a.txt", "set/more/b.png", "set/more/b.txt", "set/README.md", "set2/c.png");

        Path here = fetching.path(data("/set"));

        assertThat(names(here)).containsExactlyInAnyOrder("a.png", "a.txt", "more/b.png", "more/b.txt");
        assertThat(here.resolve("more/b.txt")).hasContent("content of set/more/b.txt");
        assertThat(gets()).isEqualTo(4);
        assertThat(fetching.progress).last().isEqualTo(90L);

        assertThat(fetching.path(data("/set/"))).isEqualTo(here);
        assertThat(gets()).isEqualTo(4);
    }

    @Test
    void changedObjectIsFetchedAnewAndOthersAreNot() throws IOException {
        put("set/a.png", "set/a.txt");
        fetching.path(data("/set"));
        bucket.write("set/a.txt", "another".getBytes(StandardCharsets.UTF_8));

        assertThat(fetching.path(data("/set")).resolve("a.txt")).hasContent("another");

        assertThat(gets()).isEqualTo(3);
    }

    @Test
    void objectIsAFileAndAnArchiveToo() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry("a.txt"));
            zip.write("a bat".getBytes(StandardCharsets.UTF_8));
        }
        bucket.write("deep/set.zip", bytes.toByteArray());

        Path file = fetching.path(data("/deep/set.zip"));

        assertThat(file.getFileName()).hasToString("set.zip");
        assertThat(file).hasBinaryContent(bytes.toByteArray());
        assertThat(fetching.entry(data("/deep/set.zip")).version()).startsWith("ETag \"");
    }

    @Test
    void cutConnectionGoesOnWhereItWas() throws IOException {
        byte[] content = new byte[3 << 20];
        new Random(1).nextBytes(content);
        content[0] = 'P';
        bucket.write("set.bin", content);
        AtomicInteger gets = new AtomicInteger();
        line.faults(request -> request.matches("GET /bucket-\\d+/set.bin.*") && gets.incrementAndGet() == 1
                ? FaultyLine.Fault.answerCutAfter(1 << 20)
                : null);

        assertThat(fetching.path(data("/set.bin"))).hasBinaryContent(content);

        assertThat(gets.get()).isEqualTo(2);
        assertThat(line.ranges()).hasSize(1).first().asString().matches("bytes=\\d{6,}-");
    }

    @Test
    void nothingThereSaysSo() {
        TrainerException failure = fetching.refused(data("/nothing"));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure)
                .hasMessage(
                        "`spec.datasets[0].uri` %s/nothing must name an object, or a prefix with objects below it, but there is nothing"
                                .formatted(bucket.location().uri()));
    }

    @Test
    void keysThatAreNoFileNamesAreRefused() {
        String page =
                "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>set/../../etc/passwd.png</Key><Size>1</Size><ETag>\"1\"</ETag></Contents></ListBucketResult>";
        line.faults(
                request -> request.contains("list-type") ? FaultyLine.Fault.raw(200, "application/xml", page) : null);

        TrainerException failure = fetching.refused(data("/set"));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidData);
        assertThat(failure)
                .hasMessageContaining(
                        "must hold objects whose keys can be files' names, but holds ../../etc/passwd.png");
    }

    @Test
    void secretHasTheKeysAndTheEndpoint() throws IOException {
        put("set/a.png");
        Path secret = Files.createDirectories(folder.resolve("secrets/mine"));
        Map.of(
                        "AWS_ENDPOINT_URL", line.endpoint().toString() + "\n",
                        "AWS_ACCESS_KEY_ID", "a-key\n",
                        "AWS_SECRET_ACCESS_KEY", "wrong\n",
                        "AWS_REGION", "us-east-1")
                .forEach((name, value) -> write(secret.resolve(name), value));
        fetching.with("LORA_SECRETS", folder.resolve("secrets").toString())
                .with("AWS_ENDPOINT_URL", "http://127.0.0.1:1");

        assertThat(fetching.refused(source("/set", "mine")))
                .hasMessageContaining(
                        "AWS_SECRET_ACCESS_KEY of the Secret mine must be the one that belongs to its AWS_ACCESS_KEY_ID");

        write(secret.resolve("AWS_SECRET_ACCESS_KEY"), "a-secret");
        assertThat(names(fetching.path(source("/set", "mine")))).containsExactly("a.png");
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void endpointThatASecretNamesMustNotLeadIntoTheCluster() throws IOException {
        Path secret = Files.createDirectories(folder.resolve("secrets/mine"));
        Map.of(
                        "AWS_ENDPOINT_URL", "https://127.0.0.1:9000",
                        "AWS_ACCESS_KEY_ID", "a-key",
                        "AWS_SECRET_ACCESS_KEY", "a-secret")
                .forEach((name, value) -> write(secret.resolve(name), value));
        fetching.with("LORA_SECRETS", folder.resolve("secrets").toString())
                .with("LORA_PVC_ROOT", folder.resolve("claims").toString());

        TrainerException failure = fetching.refused(source("/set", "mine"));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure)
                .hasMessage(
                        "AWS_ENDPOINT_URL of the Secret mine, which `spec.datasets[0].secretRef` names, must not lead to a private address, but 127.0.0.1 is 127.0.0.1; the platform can allow it (LORA_SOURCES_ALLOW)");
        assertThat(line.requests()).isEqualTo(List.of());
        write(secret.resolve("AWS_ENDPOINT_URL"), line.endpoint().toString());
        assertThat(fetching.with("AWS_ENDPOINT_URL", "").refused(source("/set", "mine")))
                .hasMessageContaining("must be https://, or its host be one that the platform allows");

        put("set/a.png");
        fetching.with("LORA_SOURCES_ALLOW", "127.0.0.1:*,127.0.0.1");
        assertThat(names(fetching.path(source("/set", "mine")))).containsExactly("a.png");
    }
}
