package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

/** A captioner behind an API that declines the second picture that it is shown. */
class DeclinedPicturesRunTest {
    @TempDir
    Path folder;

    private final AtomicInteger asked = new AtomicInteger();
    private TinyRun tiny;
    private HttpServer server;

    @BeforeEach
    void start() throws IOException {
        tiny = TinyRun.create(folder, "steps: 1, adapter: {rank: 2}");
        for (String name : List.of("bat", "crab", "pear")) {
            Files.delete(folder.resolve("data/" + name + ".txt"));
        }
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/chat/completions", exchange -> {
            exchange.getRequestBody().readAllBytes();
            int count = asked.incrementAndGet();
            Map<String, String> message =
                    count == 2 ? Map.of("refusal", "I will not") : Map.of("content", "picture " + count);
            byte[] bytes = Json.MAPPER
                    .valueToTree(Map.of(
                            "choices", List.of(Map.of("message", message)),
                            "usage", Map.of("prompt_tokens", 10, "completion_tokens", 3)))
                    .toString()
                    .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private Ran prepare(String instruction) {
        return tiny.run(
                "prepare",
                "--set",
                "preparation={resolution: 64, captions: {source: OpenAI, api: {url: \"http://127.0.0.1:%d\", model: m, concurrency: 1%s}}}"
                        .formatted(server.getAddress().getPort(), instruction));
    }

    @Test
    void aPictureThatIsDeclinedIsPaidForOnceUntilASettingChanges() {
        for (int i = 0; i < 2; i++) {
            Ran declined = prepare("");

            assertThat(declined.code()).isEqualTo(Reason.InvalidData.exitCode());
            assertThat(declined.error())
                    .contains(
                            "but that of main/crab.png was declined by the model: I will not; another setting of the captioner asks again");
            assertThat(asked).as("attempt %d", i).hasValue(3);
        }
        Ran again = prepare(", instruction: \"Say what it is.\"");

        assertThat(again.code()).as(again.error()).isZero();
        assertThat(asked).hasValue(6);
        assertThat(PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples())
                .extracting(Sample::caption)
                .containsExactly("picture 4", "picture 5", "picture 6");
    }
}
