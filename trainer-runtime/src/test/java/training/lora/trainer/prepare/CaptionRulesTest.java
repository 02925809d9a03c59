package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.CaptionsSpec;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.Wildcards;
import training.lora.trainer.prepare.picture.Item;

/** Which captions are found beside pictures, in files of every kind that people keep them in. */
class CaptionRulesTest {
    @TempDir
    Path folder;

    @BeforeEach
    void twoPictures() throws IOException {
        Files.createDirectories(folder.resolve("sub"));
        Files.copy(Goldens.BUNDLED.resolve("fluent-style/bat.png"), folder.resolve("bat.png"));
        Files.copy(Goldens.BUNDLED.resolve("fluent-style/crab.png"), folder.resolve("sub/crab.png"));
    }

    static CaptionRules sidecars() {
        return rules("source: Sidecar", DATASET);
    }

    private static final String DATASET = "uri: data";

    private static CaptionRules rules(String captions, String dataset) {
        return new CaptionRules(
                read("{%s}".formatted(captions), CaptionsSpec.class), Concepts.of(List.of(dataset(dataset))));
    }

    private static DatasetSpec dataset(String fields) {
        return read("{%s}".formatted(fields), DatasetSpec.class);
    }

    @Test
    void whatStandsAroundCaptionsLeavesThoseOfRegularizationAlone() {
        CaptionRules rules = rules("prefix: \"new, \", suffix: \", on paper\"", DATASET);

        assertThat(rules.worded(dataset(DATASET), "a bat")).isEqualTo("new, a bat, on paper");
        assertThat(rules.worded(dataset(DATASET + ", role: Regularization"), "a bat"))
                .isEqualTo("a bat");
        assertThatThrownBy(() -> rules("wildcards: true, suffix: \"{a|b\"", DATASET))
                .hasMessageContaining("`spec.preparation.captions.suffix` ");
    }

    private static <T> T read(String yaml, Class<T> type) {
        try {
            return Json.STRICT_YAML.readValue(yaml, type);
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private List<Item> items(String captions, String dataset) throws IOException {
        return RawDataset.list(dataset(dataset), DataFolder.list(folder, null, Set.of()), rules(captions, dataset))
                .items();
    }

    private void write(String name, String text) throws IOException {
        write(name, text, StandardCharsets.UTF_8);
    }

    private void write(String name, String text, Charset charset) throws IOException {
        Files.write(folder.resolve(name), text.getBytes(charset));
    }

    @Test
    void aCaptionMayEndWithCaption() throws IOException {
        write("bat.caption", "a bat");
        write("sub/crab.txt", "a crab");

        assertThat(items("source: Sidecar", DATASET))
                .extracting(Item::caption, Item::captionFrom, Item::variants)
                .containsExactly(tuple("a bat", "bat.caption", null), tuple("a crab", "sub/crab.txt", null));
    }

    @Test
    void kohyasMetadataHasCaptionsAndTagsByPathOrNameAloneOfAnotherMachine() throws IOException {
        write("metadata.json", """
                {"/home/me/train/bat.png": {"caption": "a bat", "tags": "wings, night"},
                 "sub/crab": {"tags": "claws, red"}}""");

        assertThat(items("source: Sidecar", DATASET))
                .extracting(Item::caption)
                .containsExactly("a bat, wings, night", "claws, red");
    }

    @Test
    void theHubsLinesAndTablesNameFilesBelowTheirFolder() throws IOException {
        write("metadata.jsonl", "{\"file_name\": \"bat.png\", \"text\": \"a bat\"}\n\n");
        write("sub/metadata.csv", "file_name,text,more\ncrab.png,\"a \"\"red\"\" crab, with\nclaws\",1\n");

        assertThat(items("source: Sidecar", DATASET))
                .extracting(Item::caption, Item::captionFrom)
                .containsExactly(
                        tuple("a bat", "metadata.jsonl"), tuple("a \"red\" crab, with claws", "sub/metadata.csv"));
    }

    @Test
    void aTableInUtf16IsReadAndOneInAnotherEncodingIsNamed() throws IOException {
        write("metadata.csv", "\uFEFFfile_name,text\nbat.png,le café\nsub/crab.png,b\n", StandardCharsets.UTF_16LE);

        assertThat(items("source: Sidecar", DATASET)).extracting(Item::caption).containsExactly("le café", "b");

        write("metadata.csv", "file_name,text\nbat.png,caf\u00e9\n", StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> items("", DATASET))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("metadata.csv is not UTF-8 text");
        write("metadata.json", "{\"a\": ", StandardCharsets.UTF_8);
        assertThatThrownBy(() -> items("", DATASET)).hasMessageContaining("metadata.json is no JSON");
        Files.delete(folder.resolve("metadata.json"));
        Files.delete(folder.resolve("metadata.csv"));
        write("metadata.jsonl", "{\"file_name\": \"bat.png\", \"text\": \"a bat\"}\n{\"file_name\": \n");
        assertThatThrownBy(() -> items("", DATASET)).hasMessageContaining("metadata.jsonl has no JSON in line 2: ");
    }

    @Test
    void twoCaptionsOfOnePictureAreRefused() throws IOException {
        write("bat.txt", "a bat");
        write("metadata.jsonl", "{\"file_name\": \"bat.png\", \"text\": \"another\"}");

        assertThatThrownBy(() -> items("", DATASET))
                .hasMessageContaining("bat.png has several captions: in metadata.jsonl and bat.txt");

        Files.delete(folder.resolve("metadata.jsonl"));
        write("bat.caption", "a third");
        assertThatThrownBy(() -> items("", DATASET)).hasMessageContaining("bat.png has 2 captions");
    }

    @Test
    void eachLineIsACaptionWithTheConceptsWordsWhereWildcardsAreAskedFor() throws IOException {
        write("bat.txt", "a {small|big} bat\n\na creature by <concept>\n");
        write("sub/crab.txt", "a crab");
        String dataset = "uri: data, concept: {trigger: blorp}";

        assertThat(items("wildcards: true", dataset))
                .extracting(Item::caption, Item::variants)
                .containsExactly(
                        tuple(
                                "in the style of blorp, a small bat",
                                List.of("in the style of blorp, a {small|big} bat", "a creature by blorp")),
                        tuple("in the style of blorp, a crab", null));
        assertThat(items("", dataset).get(0).caption()).isEqualTo("a {small|big} bat a creature by blorp");
    }

    @Test
    void choicesAroundThePicturesThatHaveNoCaptionAreDrawnToo() throws IOException {
        assertThat(items(
                        "wildcards: true, source: None, prefix: 'a {photo|sketch} of '",
                        "uri: data, concept: {mode: Face}"))
                .extracting(Item::caption, Item::variants)
                .containsOnly(tuple("a photo of TOK", List.of("a {photo|sketch} of TOK")));
        assertThat(items("wildcards: true, source: None", DATASET))
                .extracting(Item::caption, Item::variants)
                .containsOnly(tuple("", null));
    }

    @Test
    void bracesThatAreNotClosedAreToldOfAllFilesAtOnceWithTheirPlaces() throws IOException {
        write("bat.txt", "a {red|blue} bat\n\n a {red|blue bat\nb} {{a}}\n");
        write("sub/metadata.csv", "file_name,text\ncrab.png,a {red|blue crab\n");

        assertThatThrownBy(() -> items("wildcards: true", DATASET))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidData))
                .hasMessageEndingWith(
                        "bat.txt must pair the braces of its choices ({{ and }} are braces), but in line 3 the { at character 4 is not closed, in line 4 the } at character 2 closes nothing; "
                                + "sub/metadata.csv must pair the braces of its choices ({{ and }} are braces), but in what it says of crab.png the { at character 3 is not closed");
    }

    @Test
    void aPrefixWhoseBracesAreNotClosedIsAWrongField() {
        assertThatThrownBy(() -> rules("wildcards: true, prefix: 'a {photo|painting of '", DATASET))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessage(
                        "`spec.preparation.captions.prefix` must pair the braces of its choices ({{ and }} are braces), but the { at character 3 is not closed");
        assertThat(rules("prefix: 'a {photo of '", DATASET).ignored()).isFalse();
    }

    @Test
    void choicesThatAreNotDrawnAreTold() throws IOException {
        write("bat.txt", "a {red|blue} bat");
        write("sub/crab.txt", "a {red} crab | b");

        assertThat(TextNotes.choices(items("source: Auto", DATASET)))
                .isEqualTo(
                        "1 of 2 captions have choices in braces, such as that of main/bat.png, which are trained on as they stand there; with `spec.preparation.captions.wildcards` one is drawn each time");
    }

    @Test
    void aPictureWithoutACaptionHasTheWordsThatCallTheConceptUnlessSidecarsAreAskedFor() throws IOException {
        write("bat.txt", "a bat");
        String face = "uri: data, concept: {mode: Face}";

        assertThat(items("", face))
                .extracting(Item::caption, Item::captionFrom)
                .containsExactly(tuple("TOK, a bat", "bat.txt"), tuple("TOK", null));
        assertThat(items("source: None, prefix: 'x, '", face))
                .extracting(Item::caption, Item::captionFrom)
                .containsExactly(tuple("x, TOK", null), tuple("x, TOK", null));
        assertThat(items("", "uri: data, concept: {mode: Object}").get(1).caption())
                .isEqualTo("TOK");
        assertThat(items("", "uri: data, concept: {trigger: blorp}").get(1).caption())
                .isEqualTo("in the style of blorp");
        assertThat(items("", DATASET).get(1).caption()).isEmpty();
        assertThatThrownBy(() -> items("source: Sidecar", face))
                .hasMessageContaining("sub/crab.png has no caption crab.txt beside it");
    }

    @Test
    void wordsAroundCaptionsThatCallTheConceptStandForThoseBeforeTheCaption() throws IOException {
        write("bat.txt", "a bat");
        String style = "uri: data, concept: {trigger: blorp}";

        assertThat(items("prefix: 'a Blorp drawing, '", style))
                .extracting(Item::caption)
                .containsExactly("a Blorp drawing, a bat", "a Blorp drawing,");
        assertThat(items("suffix: ', by blorp'", style).get(0).caption()).isEqualTo("a bat, by blorp");
        assertThat(items("prefix: 'a blorpy drawing, '", style).get(0).caption())
                .isEqualTo("a blorpy drawing, in the style of blorp, a bat");
        write("bat.txt", "a bat of <concept>");
        assertThat(items("prefix: 'blorp, '", style).get(0).caption()).isEqualTo("blorp, a bat of blorp");
    }

    @Test
    void theCaptionsOfAPreparedFolderAreTakenAsTheyStandThere() throws IOException {
        write("captions.jsonl", """
                {"file_name": "bat.png", "text": "an edited bat", "prepared": true, "picture": "main/x.png", "source": "Blip"}
                {"file_name": "sub/crab.png", "text": ["one", "two"], "prepared": true}
                """);

        assertThat(items("prefix: 'x, '", "uri: data, concept: {trigger: blorp}"))
                .extracting(Item::caption, Item::variants)
                .containsExactly(tuple("an edited bat", null), tuple("one", List.of("one", "two")));

        // Braces of a caption for which nothing is drawn.
        List<Sample> samples = List.of(Json.MAPPER.convertValue(
                Map.of("name", "main/bat.png", "file", "bat.png", "caption", "a { bat"), Sample.class));
        write("captions.jsonl", CaptionsFile.content(samples, rules("wildcards: true", DATASET)));
        assertThat(items("wildcards: true", DATASET).get(0))
                .extracting(Item::caption, Item::variants)
                .containsExactly("a { bat", null);

        // A file of the same name that prepare didn't write.
        write("captions.jsonl", "{\"file_name\": \"bat.png\", \"text\": \"a bat\"}");
        assertThat(items("prefix: 'x, '", "uri: data, concept: {mode: Object, trigger: blorp}"))
                .extracting(Item::caption)
                .containsExactly("x, blorp, a bat", "x, blorp");
    }

    @Test
    void aPathFromTheTablesFolderIsThatPicturesAlone() throws IOException {
        Files.copy(folder.resolve("bat.png"), folder.resolve("sub/bat.png"));
        write("metadata.jsonl", "{\"file_name\": \"bat.png\", \"text\": \"a bat\"}");

        assertThat(items("", DATASET))
                .extracting(Item::caption, Item::captionFrom)
                .containsExactly(tuple("a bat", "metadata.jsonl"), tuple("", null), tuple("", null));
    }

    @Test
    void pathsOfAnotherMachineAreKnownByTheirEndsAndRefusedWhereTwoMayBeMeant() throws IOException {
        Files.createDirectories(folder.resolve("more"));
        Files.copy(folder.resolve("bat.png"), folder.resolve("sub/bat.png"));
        Files.move(folder.resolve("bat.png"), folder.resolve("more/bat.png"));
        Files.delete(folder.resolve("sub/crab.png"));
        write("metadata.json", """
                {"/x/more/bat.png": {"caption": "one"}, "C:\\\\y\\\\sub\\\\bat.png": {"caption": "two"}}""");
        assertThat(items("", DATASET)).extracting(Item::caption).containsExactly("one", "two");

        write("metadata.json", """
                {"/x/1/bat.png": {"caption": "one"}, "/x/2/bat.png": {"caption": "two"}}""");
        assertThatThrownBy(() -> items("", DATASET))
                .hasMessageContaining(
                        "metadata.json has several entries that may be more/bat.png: /x/1/bat.png, /x/2/bat.png");

        write("metadata.json", "{\"/x/bat.png\": {\"caption\": \"one\"}}");
        assertThatThrownBy(() -> items("", DATASET))
                .hasMessageContaining("metadata.json has one entry /x/bat.png for more/bat.png and sub/bat.png");
    }

    @Test
    void severalLinesForAPictureAreSeveralCaptionsWhoseBracesAreTextWithoutWildcards() throws IOException {
        write("metadata.jsonl", """
                {"file_name": "bat.png", "text": "a {red|blue} bat", "tags": ["night", "wings"]}
                {"file_name": "./bat.png", "text": "wings"}
                """);

        Item bat = items("", DATASET).get(0);

        assertThat(bat.caption()).isEqualTo("a {red|blue} bat, night, wings");
        List<String> variants = java.util.Objects.requireNonNull(bat.variants());
        assertThat(variants.stream().map(line -> Wildcards.first(List.of(line))))
                .containsExactly("a {red|blue} bat, night, wings", "wings");
        assertThat(items("wildcards: true", DATASET).get(0).caption()).isEqualTo("a red bat, night, wings");
    }

    @Test
    void aTableThatCantBeReadSaysWhatItShouldHaveWhereAPictureHasNoCaption() throws IOException {
        write("metadata.csv", "file_name;text\nbat.png;a bat\n");
        assertThatThrownBy(() -> items("", DATASET))
                .hasMessageContaining(
                        "metadata.csv says nothing of pictures: no picture (file_name, image_path, image, file) with its caption (text, caption, captions, prompt) was found in it");
        write("bat.txt", "a bat");
        write("sub/crab.txt", "a crab");
        assertThat(items("", DATASET)).extracting(Item::caption).containsExactly("a bat", "a crab");

        write("metadata.csv", "file_name,text\nbat.png,\"a bat\n");
        assertThatThrownBy(() -> items("", DATASET))
                .hasMessageContaining("metadata.csv must close every quote, but that of row 2 stays open");
        write("metadata.csv", "file_name,text\nbat.png\n");
        assertThatThrownBy(() -> items("", DATASET))
                .hasMessageContaining("metadata.csv must have a cell for each of file_name, text in every row");

        // Nothing beside the pictures is heeded: it isn't read either.
        write("metadata.csv", "file_name,text\nbat.png,caf\u00e9\n", StandardCharsets.ISO_8859_1);
        assertThat(items("source: None", DATASET)).extracting(Item::caption).containsExactly("", "");
    }
}
