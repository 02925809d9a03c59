package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArraySet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

/** A captioner behind an API that declines the second picture that it is shown. */
class DeclinedPicturesRunTest {
    /** What the language model says, whatever it is asked. */
    private static final String WORDS = "{\"prompt\": \"bat\", \"description\": \"a bat\", \"trigger\": \"vespur\"}";

    @TempDir
    Path folder;

    private final AtomicInteger asked = new AtomicInteger();
    private final Set<Integer> declines = new CopyOnWriteArraySet<>(Set.of(2));
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
            boolean words = Json.MAPPER
                    .readTree(exchange.getRequestBody().readAllBytes())
                    .at("/messages/1/content")
                    .isTextual();
            Map<String, String> message = words ? Map.of("content", WORDS) : picture();
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

    private Map<String, String> picture() {
        int count = asked.incrementAndGet();
        return declines.contains(count) ? Map.of("refusal", "I will not") : Map.of("content", "picture " + count);
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
    void aPictureThatIsDeclinedHasTheConceptsWordsAndIsPaidForOnceUntilASettingChanges() {
        String note =
                "1 of 3 captions were not made: that of main/crab.png was declined by the model: I will not; these pictures are trained on the words that call the concept alone";
        for (int i = 0; i < 2; i++) {
            Ran declined = prepare("");

            assertThat(declined.code()).as(declined.error()).isZero();
            assertThat(declined.error()).contains(note).doesNotContain("have no caption, and are trained on");
            assertThat(asked).as("attempt %d", i).hasValue(3);
            assertThat(samples())
                    .extracting(Sample::caption, Sample::captionFrom)
                    .containsExactly(tuple("picture 1", "OpenAI"), tuple("", null), tuple("picture 3", "OpenAI"));
        }
        Ran again = prepare(", instruction: \"Say what it is.\"");

        assertThat(again.code()).as(again.error()).isZero();
        assertThat(again.error()).doesNotContain("were not made");
        assertThat(asked).hasValue(6);
        assertThat(samples()).extracting(Sample::caption).containsExactly("picture 4", "picture 5", "picture 6");
    }

    @Test
    void whereMostAreDeclinedTheStageEndsWithWhatWasSaid() {
        declines.addAll(Set.of(1, 3));

        Ran declined = prepare("");

        assertThat(declined.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(declined.error())
                .contains(
                        "most pictures must have a caption of their own or one that `spec.preparation.captions` gives, but 3 of 3 captions were not made: that of main/bat.png was declined by the model: I will not, that of main/crab.png")
                .contains("another setting of it asks again");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void wholePicturesThatAreDeclinedAreNotThoseThatAreTrainedOn() {
        declines.add(1);
        String url = "http://127.0.0.1:%d".formatted(server.getAddress().getPort());

        Ran ran = tiny.run(
                "prepare",
                "--set",
                "preparation={resolution: 64, captions: {source: OpenAI, api: {url: \"%s\", model: m, concurrency: 1}, language: {url: \"%s\", model: m}}, mask: {source: Segment, scoring: Sigmoid, model: {uri: \"%s\"}}}"
                        .formatted(
                                url,
                                url,
                                Goldens.BUNDLED
                                        .resolve("emoji-clipseg")
                                        .toAbsolutePath()
                                        .normalize()),
                "--set",
                "datasets=[{uri: data, concept: {mode: Object}}]");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(ran.error()).doesNotContain("were not made");
        assertThat(samples())
                .extracting(Sample::caption)
                .containsExactly("TOK, picture 4", "TOK, picture 5", "TOK, picture 6");
    }

    private List<Sample> samples() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples();
    }
}
