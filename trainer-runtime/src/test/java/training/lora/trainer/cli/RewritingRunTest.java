package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

/** Captions that are rewritten, and masks that a language model tells what to find, in a whole preparation. */
class RewritingRunTest {
    @TempDir
    Path folder;

    private final List<String> questions = Collections.synchronizedList(new ArrayList<>());
    private int status = 200;
    private TinyRun tiny;
    private HttpServer server;

    @BeforeEach
    void threeBatsAndALanguageModel() throws IOException {
        tiny = TinyRun.create(folder, "steps: 1, adapter: {rank: 2}");
        caption("bat", "a photo of a bat");
        caption("crab", "a battery and a blue bat, asleep");
        caption("pear", "two bats on a pear");
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/chat/completions", exchange -> {
            String text = Json.MAPPER
                    .readTree(exchange.getRequestBody().readAllBytes())
                    .at("/messages/1/content")
                    .asText();
            questions.add(text);
            String body = Json.MAPPER
                    .valueToTree(Map.of(
                            "choices", List.of(Map.of("message", Map.of("content", answer(text)))),
                            "usage", Map.of("prompt_tokens", 10, "completion_tokens", 3)))
                    .toString();
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void caption(String name, String text) throws IOException {
        Files.writeString(folder.resolve("data/" + name + ".txt"), text);
    }

    private static String answer(String question) throws IOException {
        if (question.contains("\"description\"")) {
            return "{\"description\": \"a small brown bat\"}";
        }
        if (question.contains("\"trigger\"")) {
            return "{\"trigger\": \"vespur\"}";
        }
        if (question.contains("\"prompt\"")) {
            return "{\"prompt\": \"brown bat\"}";
        }
        String begin = "Captions:\n";
        JsonNode items = Json.MAPPER.readTree(
                question.substring(question.indexOf(begin) + begin.length(), question.indexOf("\nAnswer with JSON")));
        ObjectNode root = Json.MAPPER.createObjectNode();
        ArrayNode captions = root.putArray("captions");
        for (JsonNode item : items) {
            if (item.path("caption").asText().contains("unheard")) {
                continue;
            }
            captions.addObject()
                    .put("id", item.path("id").asInt())
                    .put("caption", "zorb, once " + item.path("caption").asText());
        }
        return root.toString();
    }

    private String language() {
        return "language: {url: \"http://127.0.0.1:%d\", model: m}"
                .formatted(server.getAddress().getPort());
    }

    private Ran prepare(String concept, String captions, String more) {
        return tiny.run(
                "prepare",
                "--set",
                "preparation={resolution: 64, captions: {%s}%s}".formatted(captions, more),
                "--set",
                "datasets=[{uri: data, concept: {%s}}]".formatted(concept));
    }

    private List<Sample> samples() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples();
    }

    private String digest() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).digest();
    }

    private JsonNode report() throws IOException {
        return Json.MAPPER.readTree(
                tiny.workspace().resolve("dataset/report.json").toFile());
    }

    @Test
    void rulesPutTheTriggerInThePlaceOfTheNounAndTellWhatItWas() throws IOException {
        String object = "mode: Object, trigger: zorb, className: a bat";
        assertThat(prepare(object, "", "").code()).isZero();
        assertThat(samples())
                .extracting(Sample::caption, Sample::original)
                .contains(tuple("zorb, a photo of a bat", null));
        String asTheyCame = digest();

        Ran ran = prepare(object, "cleanUp: Rules", "");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(samples())
                .extracting(Sample::caption, Sample::original, Sample::captionFrom)
                .containsExactly(
                        tuple("a photo of zorb", "zorb, a photo of a bat", "bat.txt"),
                        tuple(
                                "a battery and a blue zorb, asleep",
                                "zorb, a battery and a blue bat, asleep",
                                "crab.txt"),
                        tuple("two zorb on a pear", "zorb, two bats on a pear", "pear.txt"));
        assertThat(Files.readString(tiny.workspace().resolve("dataset/captions.jsonl")))
                .contains("\"original\":\"zorb, two bats on a pear\"");
        assertThat(report().at("/concepts/0/noun").asText()).isEqualTo("bat");
        assertThat(report().at("/pictures/0/original").asText()).isEqualTo("zorb, a photo of a bat");
        assertThat(digest()).isNotEqualTo(asTheyCame);

        // Another noun is another data set.
        assertThat(prepare("mode: Object, trigger: zorb, className: pear", "cleanUp: Rules", "")
                        .code())
                .isZero();
        assertThat(samples())
                .extracting(Sample::caption)
                .containsExactly(
                        "zorb, a photo of a bat", "zorb, a battery and a blue bat, asleep", "two bats on zorb");

        // A style without a name for it, and captions without a noun in common, are told.
        assertThat(prepare("mode: Style, trigger: zorb", "cleanUp: Rules", "").error())
                .contains("captions of zorb are not rewritten, because nothing says what its style is called");
        caption("bat", "7 o'clock");
        caption("pear", "");
        assertThat(prepare("mode: Object, trigger: zorb", "cleanUp: Rules", "").error())
                .contains("because there is no noun that most of them begin with");
        assertThat(samples()).extracting(Sample::caption).contains("zorb, 7 o'clock", "zorb");
        assertThat(questions).isEmpty();
    }

    @Test
    void aLanguageModelRewritesWhatIsNewAndIsNotAskedTwice() throws IOException {
        String object = "mode: Object, trigger: zorb";
        String captions = "cleanUp: Model, " + language();

        Ran ran = prepare(object, captions, "");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(samples())
                .extracting(Sample::caption)
                .containsExactly(
                        "zorb, once a photo of a bat",
                        "zorb, once a battery and a blue bat, asleep",
                        "zorb, once two bats on a pear");
        assertThat(questions).hasSize(2);
        assertThat(questions.get(1)).contains("What is known of it: a small brown bat");
        assertThat(report().path("concepts"))
                .singleElement()
                .hasToString(
                        "{\"name\":\"zorb\",\"mode\":\"Object\",\"trigger\":\"zorb\",\"noun\":\"bat\",\"description\":\"a small brown bat\"}");
        assertThat(report().path("language").path("calls").asInt()).isEqualTo(2);
        assertThat(report().path("language").path("tokensIn").asInt()).isEqualTo(20);
        assertThat(report().path("language").path("tokensOut").asInt()).isEqualTo(6);
        assertThat(ran.output() + ran.error()).contains("m at 127.0.0.1 was asked 2 times: 20 tokens in, 6 out");
        assertThat(Files.readString(tiny.workspace().resolve("dataset/report.html")))
                .contains("a small brown bat");

        // Another size of the same is prepared from what was answered.
        questions.clear();
        assertThat(prepare(object, captions, ", background: \"#000000\"").code())
                .isZero();
        assertThat(questions).isEmpty();
        assertThat(samples().get(0).caption()).isEqualTo("zorb, once a photo of a bat");

        // One that changed is asked for alone, and the concept described anew.
        caption("pear", "a bat on an apple");
        assertThat(prepare(object, captions, "").code()).isZero();
        assertThat(questions).hasSize(2);
        assertThat(questions.get(1)).contains("a bat on an apple").doesNotContain("a photo of a bat");

        // What was prepared is trained on as it is, whatever is set.
        questions.clear();
        Path edited = folder.resolve("edited");
        Files.createDirectories(edited.resolve("images"));
        Path dataset = tiny.workspace().resolve("dataset");
        for (Sample sample : samples()) {
            Files.copy(dataset.resolve(sample.file()), edited.resolve(sample.file()));
        }
        Files.copy(dataset.resolve("captions.jsonl"), edited.resolve("captions.jsonl"));
        TinyRun other = tiny.in(folder.resolve("other"));
        assertThat(other.run(
                                "prepare",
                                "--set",
                                "preparation={resolution: 64, captions: {%s}}".formatted(captions),
                                "--set",
                                "datasets=[{uri: edited, concept: {%s}}]".formatted(object))
                        .code())
                .isZero();
        assertThat(PreparedDataset.manifest(other.workspace().resolve("dataset"))
                        .samples())
                .extracting(Sample::caption)
                .containsExactlyElementsOf(
                        samples().stream().map(Sample::caption).toList());
        assertThat(questions).hasSize(1).allSatisfy(q -> assertThat(q).contains("\"description\""));
    }

    @Test
    void captionsThatNothingRewritesStayAndAreTold() throws IOException {
        caption("bat", "7 o'clock, unheard");
        String captions = "cleanUp: Model, " + language();

        Ran ran = prepare("mode: Object, trigger: zorb", captions, "");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(ran.error())
                .contains("rewrote all captions of zorb but 1 as it was asked")
                .contains("those stay as they are, because there is no noun that most of them begin with")
                .doesNotContain("rewritten by the rules");
        assertThat(samples())
                .extracting(Sample::caption)
                .containsExactly(
                        "zorb, 7 o'clock, unheard",
                        "zorb, once a battery and a blue bat, asleep",
                        "zorb, once two bats on a pear");

        // Nor does it end a later preparation.
        assertThat(prepare("mode: Object, trigger: zorb", captions, ", background: \"#000000\"")
                        .code())
                .isZero();
    }

    @Test
    void aCaptionThatIsWordedAsBeforeAndRewrittenOtherwiseIsAnotherCaption() throws IOException {
        String object = "mode: Object, trigger: zorb, className: bat";
        assertThat(prepare(object, "cleanUp: Rules", "").code()).isZero();
        assertThat(samples().get(0).caption()).isEqualTo("a photo of zorb");

        caption("bat", "zorb, a photo of a bat");
        Ran ran = prepare(object, "cleanUp: Rules", "");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(samples().get(0).caption()).isEqualTo("zorb, a photo of a bat");
    }

    @Test
    void aLanguageModelThatIsNamedLaterTellsOfDataThatArePreparedAlready() throws IOException {
        assertThat(prepare("mode: Object", "", "").code()).isZero();
        String before = digest();
        assertThat(report().path("concepts")).isEmpty();

        Ran ran = prepare("mode: Object", language(), "");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(report().at("/concepts/0/description").asText()).isEqualTo("a small brown bat");
        assertThat(report().at("/concepts/0/proposedTrigger").asText()).isEqualTo("vespur");
        assertThat(questions).hasSize(2);
        // What is trained on is the same.
        assertThat(digest()).isEqualTo(before);

        // Nor twice; but another model is asked.
        assertThat(prepare("mode: Object", language(), "").code()).isZero();
        assertThat(questions).hasSize(2);
        assertThat(prepare("mode: Object", language().replace("model: m", "model: n"), "")
                        .code())
                .isZero();
        assertThat(questions).hasSize(4);
    }

    @Test
    void masksFindWhatTheLanguageModelSaysWhereTheSpecDoesNot() throws IOException {
        String mask =
                ", mask: {source: Segment, scoring: Sigmoid, model: {uri: \"%s\"}}".formatted(bundled("emoji-clipseg"));
        Ran ran = prepare("mode: Object", language(), mask);

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(report().at("/concepts/0/segmentationPrompt").asText()).isEqualTo("brown bat");
        assertThat(report().path("masks"))
                .singleElement()
                .hasToString("{\"dataset\":\"main\",\"prompts\":[\"brown bat\"],\"from\":\"LanguageModel\"}");
        assertThat(Files.readString(tiny.workspace().resolve("dataset/report.html")))
                .contains("<b>main</b> brown bat (the language model)");
        assertThat(questions).hasSize(3);
        assertThat(questions.get(0)).contains("\"prompt\"").contains("two bats on a pear");
        assertThat(report().at("/concepts/0/proposedTrigger").asText()).isEqualTo("vespur");
        assertThat(ran.output() + ran.error())
                .contains(
                        "the language model proposes vespur as `spec.datasets[].concept.trigger` of TOK, which TOK calls until then");
        // Captions that are not rewritten are as they were.
        assertThat(samples().get(0).caption()).isEqualTo("TOK, a photo of a bat");
        byte[] masks = Files.readAllBytes(tiny.workspace().resolve("dataset/masks.safetensors"));

        // The same words from the user find the same, and nothing is asked.
        questions.clear();
        TinyRun other = tiny.in(folder.resolve("other"));
        assertThat(other.run(
                                "prepare",
                                "--set",
                                "preparation={resolution: 64%s}"
                                        .formatted(mask.replace("Segment,", "Segment, prompts: [brown bat],")),
                                "--set",
                                "datasets=[{uri: data, concept: {mode: Object}}]")
                        .code())
                .isZero();
        assertThat(Files.readAllBytes(other.workspace().resolve("dataset/masks.safetensors")))
                .isEqualTo(masks);
        assertThat(questions).isEmpty();

        // Where captions say nothing, those of some whole pictures say it.
        for (String name : List.of("bat", "crab", "pear")) {
            caption(name, "");
        }
        String captions = "source: Blip, model: {uri: \"%s\"}, %s".formatted(bundled("emoji-blip"), language());
        Ran blip = prepare("mode: Object", captions, mask);
        assertThat(blip.code()).as(blip.error()).isZero();
        assertThat(questions).hasSize(1);
        assertThat(questions.get(0)).contains("\"prompt\"").contains("an emoji of a");
        String before = digest();
        assertThat(prepare("mode: Object", captions + ", beginning: a robot", mask)
                        .code())
                .isZero();
        assertThat(questions.get(1)).contains("\"prompt\"").contains("a robot");
        assertThat(digest()).isNotEqualTo(before);

        // And where nothing makes any, the spec must.
        Ran none = prepare("mode: Object", language(), mask);
        assertThat(none.code()).isEqualTo(10);
        assertThat(none.error())
                .contains("`spec.preparation.mask.prompts` must say what to look for in data set \"main\"");
    }

    private static String bundled(String name) {
        return Goldens.BUNDLED.resolve(name).toAbsolutePath().normalize().toString();
    }

    @Test
    void anApiThatRefusesTheKeyIsTheSpecsFaultAndLeavesNoDataSet() {
        status = 401;

        Ran ran = prepare("mode: Object", "cleanUp: Model, " + language(), "");

        assertThat(ran.code()).isEqualTo(10);
        assertThat(ran.error()).contains("`spec.preparation.captions.language` http://127.0.0.1");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }
}
