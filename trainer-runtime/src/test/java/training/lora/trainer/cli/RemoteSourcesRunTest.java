package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.ProgressMessage;
import training.lora.api.Reason;
import training.lora.api.SourceVersion;
import training.lora.api.Stage;
import training.lora.trainer.Goldens;
import training.lora.trainer.source.TestHub;
import training.lora.trainer.source.TestServer;

class RemoteSourcesRunTest extends RemoteRun {
    static byte[] tarGz(Path from, String prefix) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(bytes);
                TarArchiveOutputStream tar = new TarArchiveOutputStream(gzip);
                Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                tar.putArchiveEntry(new TarArchiveEntry(file.toFile(), prefix + from.relativize(file)));
                Files.copy(file, tar);
                tar.closeArchiveEntry();
            }
        }
        return bytes.toByteArray();
    }

    private static ProgressMessage message(String line) {
        try {
            return Json.MAPPER.readValue(line, ProgressMessage.class);
        } catch (IOException e) {
            throw new IllegalArgumentException(line, e);
        }
    }

    private static long parts(Path partial) {
        java.io.File[] files = partial.toFile().listFiles();
        return files == null
                ? 0
                : Stream.of(files).mapToLong(java.io.File::length).sum();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void runReadsAModelOfAHubAndPicturesBehindAUrlAsItReadsThoseOfAFolder() throws IOException {
        ends("run");

        Path other = Files.createDirectories(folder.resolve("local"));
        TinyRun local = TinyRun.create(other, "steps: 2, checkpoints: {everySteps: 2}");
        Ran there = local.run("run");
        assertThat(there.code()).as(there.error()).isZero();
        Manifest mine = manifest();
        Manifest same = Json.MAPPER.readValue(
                local.workspace().resolve("output/manifest.json").toFile(), Manifest.class);
        assertThat(mine.datasetDigest()).isEqualTo(same.datasetDigest());
        assertThat(mine.baseModelDigest()).isEqualTo(same.baseModelDigest());
        assertThat(mine.sources())
                .extracting(SourceVersion::uri, SourceVersion::version)
                .containsExactly(
                        org.assertj.core.groups.Tuple.tuple("hf://" + MODEL, TestHub.COMMIT),
                        org.assertj.core.groups.Tuple.tuple(server.url("/pictures"), "ETag \"1\""));
        for (String file : new String[] {"run.log", "sources.json", "events.jsonl", "output/manifest.json"}) {
            assertThat(Files.readString(tiny.workspace().resolve(file)))
                    .as(file)
                    .doesNotContain("key=secret");
        }
    }

    @Test
    void modelOfTheWrongKindIsToldByFieldAndUri() throws IOException {
        server.file("/model.zip", zip(folder.resolve("data")), "\"1\"");
        String url = server.url("/model.zip");

        Ran ended = run("prepare", "--set", "baseModel.uri=" + url);

        assertThat(ended.code()).isEqualTo(Reason.InvalidBaseModel.exitCode());
        assertThat(ended.error())
                .contains("lora-trainer: `spec.baseModel.uri` " + url + ": model_index.json must be there")
                .doesNotContain("cache/");
    }

    @Test
    void pictureSetOfTheWrongKindIsToldByFieldAndUri() throws IOException {
        byte[] weights = Files.readAllBytes(folder.resolve("base/unet/diffusion_pytorch_model.safetensors"));
        server.file("/w", weights, "\"1\"")
                .file("/broken", "PK\u0003\u0004 none".getBytes(StandardCharsets.UTF_8), "\"1\"");
        Files.write(folder.resolve("w.safetensors"), weights);

        Ran fetched = run("prepare", "--set", "datasets[0].uri=" + server.url("/w"));
        Ran broken = run("prepare", "--set", "datasets[main].uri=" + server.url("/broken"));
        Ran local = run("prepare", "--set", "spec.datasets[0].uri=w.safetensors");

        assertThat(List.of(fetched.code(), broken.code(), local.code())).containsOnly(Reason.InvalidData.exitCode());
        assertThat(fetched.error())
                .contains(
                        "`spec.datasets[0].uri` %s must name a folder of pictures or an archive of them (.zip, .tar, .tar.gz), but w is a .safetensors file, which holds weights"
                                .formatted(server.url("/w")));
        assertThat(broken.error())
                .contains("lora-trainer: `spec.datasets[0].uri` " + server.url("/broken")
                        + " must be a readable zip archive")
                .doesNotContain("cache/");
        assertThat(local.error())
                .contains(
                        "w.safetensors must be an archive (.zip, .tar, .tar.gz), but is a .safetensors file, which holds weights");
    }

    @Test
    void stagesAfterPrepareNeverAskTheNetwork() throws IOException {
        ends("prepare");
        hub.close();
        server.close();

        ends("train");
        ends("evaluate");
    }

    @Test
    void fetchedBytesAreReportedAsProgressOfPrepare() throws IOException {
        Ran ended = run("prepare");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.output())
                .containsPattern("Prepare: 0 bytes of \\d+\\.\\d [KM]B fetched")
                .containsPattern("Prepare (\\d+)/\\1 ");
        List<ProgressMessage> messages = Files.readAllLines(tiny.workspace().resolve("events.jsonl")).stream()
                .map(RemoteSourcesRunTest::message)
                .toList();
        assertThat(messages).extracting(ProgressMessage::stage).containsOnly(Stage.Prepare);
        ProgressMessage last = messages.get(messages.size() - 1);
        assertThat(last.step()).isEqualTo(last.steps()).isNotZero();
    }

    @Test
    void sharedCacheServesAnotherWorkspace() throws IOException {
        environment.put("LORA_CACHE", folder.resolve("shared").toString());
        ends("prepare");
        contents();
        tiny = tiny.in(folder.resolve("another"));

        ends("run");

        assertThat(contents()).isEmpty();
        assertThat(tiny.workspace().resolve("cache")).doesNotExist();
    }

    @Test
    void archivesOnThisMachineAreReadAsTheFoldersThatTheyHold() throws IOException {
        Files.write(folder.resolve("pictures"), tarGz(folder.resolve("data"), "./"));
        Files.write(folder.resolve("model"), tarGz(folder.resolve("base"), "tiny-sd/"));

        ends("prepare", "--set", "baseModel.uri=model", "--set", "datasets=[{uri: pictures}]");
        String packed = Files.readString(tiny.workspace().resolve("dataset/manifest.json"));
        ends("prepare", "--set", "baseModel.uri=base", "--set", "datasets=[{uri: data}]");

        // What is prepared is the same, and known as that.
        assertThat(Json.MAPPER.readTree(packed).path("key"))
                .isEqualTo(Json.MAPPER
                        .readTree(tiny.workspace()
                                .resolve("dataset/manifest.json")
                                .toFile())
                        .path("key"));
        assertThat(hub.hub().requests()).isEmpty();
        assertThat(server.requests()).isEmpty();
    }

    @Test
    void digestOfTheSpecHoldsForFilesOfThisMachineToo() throws IOException {
        Path zip = Files.write(folder.resolve("pictures.zip"), zip(folder.resolve("data")));
        String wrong = "0".repeat(64);

        Ran refused = run("prepare", "--set", "datasets=[{uri: pictures.zip, sha256: '%s'}]".formatted(wrong));

        assertThat(refused.code()).isEqualTo(Reason.InvalidData.exitCode());
        String right = training.lora.trainer.files.Sha256.of(zip);
        assertThat(refused.error())
                .contains("`spec.datasets[0].sha256` must be the sha256 of pictures.zip, which has %s, was %s"
                        .formatted(right, wrong));
        ends("prepare", "--set", "datasets=[{uri: pictures.zip, sha256: '%s'}]".formatted(right));
    }

    @Test
    void archiveOfAModelIsNotOpenedBeforeItsDigestIsKnownToBeRight() throws IOException {
        Files.write(folder.resolve("model"), tarGz(folder.resolve("base"), "tiny-sd/"));
        String wrong = "0".repeat(64);

        Ran refused = run("prepare", "--set", "baseModel={uri: model, sha256: '%s'}".formatted(wrong));

        assertThat(refused.error()).contains("`spec.baseModel.sha256` must be the sha256 of model");
        assertThat(tiny.workspace().resolve("cache")).doesNotExist();
    }

    @Test
    void downloadThatIsTerminatedEndsWith75AndTheSameCommandGoesOn() throws Exception {
        CountDownLatch half = new CountDownLatch(1);
        CountDownLatch over = new CountDownLatch(1);
        byte[] model = new byte[4_000_000];
        byte[] header = "{\"__metadata__\":{}}     ".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        java.nio.ByteBuffer.wrap(model)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header);
        server.on("/model", exchange -> {
            if ("bytes=0-".equals(exchange.header("Range"))) {
                exchange.set("ETag", "\"1\"");
                exchange.set("Content-Range", "bytes 0-%d/%d".formatted(model.length - 1, model.length));
                exchange.send(206, model, 3_000_000);
                half.countDown();
                await(over);
            } else {
                exchange.file(model, "\"1\"", Integer.MAX_VALUE);
            }
        });
        String setting = "baseModel.uri=" + server.url("/model");

        Process process = tiny.startWith(List.of("HOME=" + folder.resolve("home")), "prepare", "--set", setting);
        await(half);
        Path partial = tiny.workspace().resolve("cache/partial");
        for (long begin = System.nanoTime(); parts(partial) < 3_000_000; Thread.sleep(20)) {
            assertThat(System.nanoTime() - begin).isLessThan(60_000_000_000L);
        }
        process.destroy();
        boolean ended = process.waitFor(60, TimeUnit.SECONDS);
        over.countDown();

        assertThat(ended).isTrue();
        assertThat(process.exitValue()).as(Files.readString(tiny.log())).isEqualTo(Reason.Preempted.exitCode());
        server.take();
        Ran again = run("prepare", "--set", setting);
        assertThat(again.code()).as(again.error()).isEqualTo(Reason.InvalidBaseModel.exitCode());
        assertThat(server.requests())
                .filteredOn(request -> request.path().equals("/model"))
                .extracting(TestServer.Request::range)
                .containsExactly("bytes=0-0", "bytes=3000000-");
    }

    @Test
    void bundledModelIsPreparedFromAHubClipFromAnArchiveAndPicturesFromATar() throws IOException {
        Path bundled = Goldens.BUNDLED;
        try (TestHub emoji = new TestHub(folder.resolve("scratch"), "models", "someone/emoji-sd")) {
            emoji.add(bundled.resolve("emoji-sd")).serve();
            server.file("/clip", zip(bundled.resolve("emoji-clip")), "\"clip\"");
            server.file("/robot", tarGz(bundled.resolve("robot"), "robot/"), "\"robot\"");
            environment.put("HF_ENDPOINT", emoji.endpoint());
            Files.writeString(tiny.yaml, """
                    apiVersion: lora.training/v1alpha1
                    kind: LoraTraining
                    metadata: {name: tiny}
                    spec:
                      baseModel: {uri: 'hf://someone/emoji-sd@main'}
                      datasets: [{uri: '%s'}]
                      training: {steps: 1}
                      evaluation: {clip: {uri: '%s'}}
                    """.formatted(server.url("/robot"), server.url("/clip")));

            ends("prepare");

            assertThat(tiny.workspace().resolve("dataset/latents.safetensors")).isRegularFile();
            assertThat(emoji.store().requests()).hasSize(3);
            assertThat(server.requests()).hasSize(4);
            ends("prepare");
            assertThat(emoji.store().requests()).hasSize(3);
            assertThat(server.requests()).hasSize(6);
        }
    }

    @Test
    void sampleDrawsWithAModelOfAHub() throws IOException {
        environment.put("LORA_CACHE", folder.resolve("shared").toString());
        String[] arguments = {
            "sample",
            "--base",
            "hf://" + MODEL,
            "--prompt",
            "a bat",
            "--steps",
            "1",
            "--resolution",
            "16",
            "--out",
            folder.resolve("drawn").toString()
        };

        Ran ended = Ran.of(environment::get, arguments);

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(folder.resolve("drawn/a-bat-0.png")).isRegularFile();
        contents();
        assertThat(Ran.of(environment::get, arguments).code()).isZero();
        assertThat(contents()).isEmpty();
    }
}
