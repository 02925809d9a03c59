package training.lora.trainer.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.files.CaptionEntries.Entry;

class CaptionEntriesTest {
    @TempDir
    Path folder;

    private List<Entry> read(String name, String text) throws Exception {
        return CaptionEntries.read(Files.writeString(folder.resolve(name), text));
    }

    private static Entry entry(String picture, String... texts) {
        return new Entry(picture, List.of(texts), false);
    }

    @Test
    void aTableOfKohyasHasCaptionsWithTagsBehindThem() throws Exception {
        assertThat(read("metadata.json", """
                {"a": {"caption": "an owl", "tags": "red, small"}, "b": {"tags": "blue"}, "c": {"caption": ["one", "two"], "tags": "x"},
                 "d": "a plain text", "e": {"train_resolution": [512, 512]}}"""))
                .containsExactly(
                        entry("a", "an owl, red, small"),
                        entry("b", "blue"),
                        entry("c", "one, x", "two, x"),
                        entry("d", "a plain text"));
    }

    @Test
    void listsAndLinesNameTheirPictures() throws Exception {
        assertThat(read(
                        "metadata.json",
                        "[{\"image\": \"a.png\", \"prompt\": \"an owl\"}, {\"text\": \"of no picture\"}]"))
                .containsExactly(entry("a.png", "an owl"));
        assertThat(read("metadata.JSONL", """
                {"image_path": "a.png", "caption": "an owl"}

                {"file_name": "b.png", "text": ["a", "b"], "prepared": true}
                """))
                .containsExactly(entry("a.png", "an owl"), new Entry("b.png", List.of("a", "b"), true));
        assertThat(read("metadata.csv", "text,file_name\n\"an owl, red\",a.png\nb,b.png\n"))
                .containsExactly(entry("a.png", "an owl, red"), entry("b.png", "b"));
    }

    @Test
    void tagsStandAloneWhereTheCaptionIsBlank() throws Exception {
        assertThat(read("metadata.json", """
                {"a": {"caption": "", "tags": "1girl, solo"}, "b": {"caption": ["", "two"], "tags": "x"}, "c": {"caption": ""}}"""))
                .containsExactly(entry("a", "1girl, solo"), entry("b", "two, x"), entry("c", ""));
    }

    @Test
    void whatPythonWritesIsRead() throws Exception {
        assertThat(read("metadata.json", "{\"a\": {\"caption\": \"an owl\", \"score\": NaN, \"size\": -Infinity}}\n"))
                .containsExactly(entry("a", "an owl"));
        assertThat(read("metadata.jsonl", "{\"file_name\": \"a\", \"text\": \"an owl\", \"score\": NaN}"))
                .containsExactly(entry("a", "an owl"));
        assertThat(read("metadata.json", " ")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"a.png,1girl, solo, red hair", "a.png, \"x, y\""})
    void aRowOfMoreCellsThanTheHeadIsRefused(String row) throws Exception {
        assertThatThrownBy(() -> read("metadata.csv", "file_name,text\nb.png,b\n" + row + "\n"))
                .isInstanceOf(NoTextException.class)
                .hasMessage(
                        "must have no more cells in a row than file_name, text, but has \"%s\": a cell with commas stands in quotes, without spaces around them",
                        row);
        assertThat(read("metadata.csv", "file_name,text\nb.png,b,, \n")).containsExactly(entry("b.png", "b"));
    }

    @Test
    void whatIsNoTableIsRefused() {
        assertThatThrownBy(() -> read("metadata.json", """
                {"image_path": "a.png", "caption": "an owl"}
                {"image_path": "b.png", "caption": "two"}"""))
                .isInstanceOf(NoTextException.class)
                .hasMessage("has more behind its JSON, in line 2; JSON in lines is a .jsonl");
        assertThatThrownBy(() -> read("metadata.jsonl", "{\"file_name\": \"a\"}\n{} {}"))
                .isInstanceOf(NoTextException.class)
                .hasMessage("has more behind the JSON of line 2");
        assertThatThrownBy(() -> read("metadata.json", "{\"a\": "))
                .isInstanceOf(NoTextException.class)
                .hasMessageStartingWith("is no JSON: ");
        assertThatThrownBy(() -> read("metadata.jsonl", "{\"file_name\": \"a\"}\n{"))
                .isInstanceOf(NoTextException.class)
                .hasMessageStartingWith("has no JSON in line 2: ");
    }
}
