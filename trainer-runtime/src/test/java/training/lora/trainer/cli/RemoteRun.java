package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.trainer.source.TestHub;
import training.lora.trainer.source.TestServer;

/** Runs whose model and pictures come from a server on loopback. */
abstract class RemoteRun {
    static final String MODEL = "someone/tiny-sd";

    @TempDir
    Path folder;

    TestHub hub;

    TestServer server;

    TinyRun tiny;

    Map<String, String> environment;

    @BeforeEach
    void start() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, checkpoints: {everySteps: 2}, watchdog: {enabled: false}");
        hub = new TestHub(Files.createDirectories(folder.resolve("scratch")), "models", MODEL)
                .add(folder.resolve("base"))
                .serve();
        server = new TestServer().file("/pictures", zip(folder.resolve("data")), "\"1\"");
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace("{uri: base}", "{uri: 'hf://%s'}".formatted(MODEL))
                        .replace("{uri: data}", "{uri: '%s'}".formatted(server.url("/pictures?key=secret"))));
        environment = new TreeMap<>(hub.environment(folder.resolve("home"), null));
    }

    @AfterEach
    void stop() {
        hub.close();
        server.close();
    }

    static byte[] zip(Path from) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes);
                Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                zip.putNextEntry(new ZipEntry(from.relativize(file).toString()));
                Files.copy(file, zip);
            }
        }
        return bytes.toByteArray();
    }

    Ran run(String command, String... more) {
        return tiny.runWith(environment::get, command, more);
    }

    void ends(String command, String... more) {
        Ran ended = run(command, more);
        assertThat(ended.code()).as(ended.error()).isZero();
    }

    Manifest manifest() throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("output/manifest.json").toFile(), Manifest.class);
    }

    List<String> contents() {
        return Stream.of(hub.hub(), hub.store(), server)
                .flatMap(s -> s.take().stream())
                .filter(request -> !"bytes=0-0".equals(request.range()))
                .map(TestServer.Request::path)
                .filter(path -> !path.startsWith("/api/"))
                .toList();
    }
}
