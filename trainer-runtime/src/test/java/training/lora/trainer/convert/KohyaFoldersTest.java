package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which files in folders of pictures are read as captions of a configuration of kohya's. */
class KohyaFoldersTest {
    private static final byte[] BINARY = {0, 5, 22, 7, (byte) 0xFF, (byte) 0xFE, 1, 0};

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        write("sets/3_robot/a.png", "");
    }

    private void write(String path, String text) throws IOException {
        Files.createDirectories(folder.resolve(path).getParent());
        Files.writeString(folder.resolve(path), text);
    }

    private Converted toml(String from, String options) throws IOException {
        Converted converted = Conversions.kohyaSets(from, folder, options);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        return converted;
    }

    private static JsonNode captions(Converted converted) {
        return converted.training().at("/spec/preparation/captions");
    }

    @ParameterizedTest
    @CsvSource({"train_db, ''", "train_textual_inversion, token_string = 'robot'"})
    void whatSystemsLeaveInAFolderIsNoCaptionAndNoPicture(String script, String options) throws IOException {
        Converted without = toml(script, options);
        Files.write(folder.resolve("sets/3_robot/._a.txt"), BINARY);
        Files.write(folder.resolve("sets/3_robot/._a.png"), BINARY);

        Converted converted = toml(script, options);

        assertThat(converted.training()).isEqualTo(without.training());
        assertThat(converted.training().at("/spec/datasets/0/concept/trigger").asText())
                .isEqualTo("robot");
        assertThat(converted.warnings()).isEqualTo(without.warnings());
    }

    @ParameterizedTest
    @CsvSource({"train_db, ''", "train_textual_inversion, token_string = 'robot'"})
    void textsWithoutAPictureAreNoCaptions(String script, String options) throws IOException {
        Converted without = toml(script, options);
        Files.write(
                folder.resolve("sets/3_robot/LICENSE.txt"), "\u00a9 r\u00e9mi".getBytes(StandardCharsets.ISO_8859_1));
        write("sets/3_robot/notes.txt", "<main> and <concept>");

        Converted converted = toml(script, options);

        assertThat(converted.training()).isEqualTo(without.training());
        assertThat(converted.warnings()).isEqualTo(without.warnings());
    }

    /** What kind of picture it is its content tells when it is prepared; names may differ in case. */
    @ParameterizedTest
    @ValueSource(strings = {"b.avif", "b", "B.PNG"})
    void captionsOfWhateverMayBeAPictureAreRead(String picture) throws IOException {
        write("sets/3_robot/" + picture, "");
        write("sets/3_robot/b.txt", "a <concept>");

        assertThatThrownBy(() -> toml("train_db", "")).hasMessageContaining("must have captions without <concept>");
    }

    static Stream<Arguments> starts() {
        byte[] bitmap = new byte[18];
        bitmap[0] = 'B';
        bitmap[1] = 'M';
        bitmap[14] = 40;
        return Stream.of(
                Arguments.of("c.jpg_large", new byte[] {(byte) 0xFF, (byte) 0xD8, (byte) 0xFF, (byte) 0xE0}, true),
                Arguments.of("c.png!d", "\u0089PNG\r\n\u001a\n".getBytes(StandardCharsets.ISO_8859_1), true),
                Arguments.of("c.webp_big", "RIFF1234WEBPVP8 ".getBytes(StandardCharsets.ISO_8859_1), true),
                Arguments.of("c.image", bitmap, true),
                Arguments.of("c.jpg_large", "JPEG".getBytes(StandardCharsets.ISO_8859_1), false),
                Arguments.of("c.jpg_large", new byte[0], false),
                Arguments.of("c.sound", "RIFF1234WAVEfmt ".getBytes(StandardCharsets.ISO_8859_1), false));
    }

    @ParameterizedTest
    @MethodSource("starts")
    void whatBeginsAsAPictureIsOneWhateverItIsCalled(String name, byte[] start, boolean picture) throws IOException {
        Files.write(folder.resolve("sets/3_robot").resolve(name), start);
        write("sets/3_robot/a.caption", "a thing");
        write("sets/3_robot/c.caption", "a thing");

        Converted converted = toml("train_db", "save_every_n_epochs = 1");

        assertThat(converted
                        .training()
                        .at("/spec/training/checkpoints/everySteps")
                        .asInt())
                .isEqualTo(picture ? 6 : 3);
        assertThat(Conversions.differences(converted).contains("(%s)".formatted(name)))
                .isEqualTo(picture);
        write("sets/3_robot/c.caption", "a <concept>");
        if (picture) {
            assertThatThrownBy(() -> toml("train_db", "")).hasMessageContaining("must have captions without <concept>");
        } else {
            toml("train_db", "");
        }
    }

    @Test
    void captionsInFilesBesideATableAreReadToo() throws IOException {
        write("one/a.png", "");
        write("one/b.png", "");
        write("one/metadata.json", "{\"a\": \"a robot\"}");
        write("one/b.txt", "a <concept>");

        assertThatThrownBy(() -> toml("sdxl_train", "train_data_dir = 'one'; in_json = 'one/metadata.json'"))
                .hasMessageContaining("must have captions without <concept>")
                .hasMessageContaining("but b.txt has it");
        write("one/b.txt", "a thing");
        assertThat(toml(
                                "train_textual_inversion",
                                "token_string = 'robot'; train_data_dir = 'one'; in_json = 'one/metadata.json'")
                        .warnings())
                .anyMatch(warning -> warning.contains("captions without robot get it in front of them"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"hf://datasets/a/b", "s3://a/b", "absent"})
    void captionsThatAreNotHereToBeReadAreSpokenOf(String place) throws IOException {
        String note = "captions that aren't here to be read must have no ";
        write("d.toml", "[[datasets]]\n[[datasets.subsets]]\nimage_dir = '%s'\n".formatted(place));
        String options = "dataset_config = 'd.toml'";

        assertThat(toml("train_db", options).warnings())
                .contains(note + "<concept>: here that stands for the words that call a concept");
        assertThat(toml("train_textual_inversion", options + "; token_string = 'robot'")
                        .warnings())
                .contains(note + "<concept> and no <main>: here that stands for the words that call a concept");
        assertThat(toml("train_textual_inversion", options + "; token_string = 'robot'; use_object_template = true")
                        .warnings())
                .noneMatch(warning -> warning.contains(note));
        assertThat(toml("train_db", "").warnings()).noneMatch(warning -> warning.contains(note));
    }

    @ParameterizedTest
    @ValueSource(strings = {"metadata.json", "metadata.jsonl", "metadata.csv"})
    void aTableThatNothingNamesIsPassedOverWhereNothingElseHasCaptions(String name) throws IOException {
        assertThat(captions(toml("train_db", "")).has("source")).isFalse();
        write("sets/3_robot/" + name, "{\"file_name\": \"a.png\", \"text\": \"a <concept>\"}");

        Converted converted = toml("train_db", "caption_extension = '.txt'");

        assertThat(captions(converted).path("source").asText()).isEqualTo("None");
        assertThat(converted.training().at("/spec/datasets/0/concept/trigger").asText())
                .isEqualTo("robot");
    }

    @Test
    void aTableThatNothingNamesIsReadAndToldWhereOtherCaptionsAre() throws IOException {
        Path table = folder.resolve("sets/3_robot/metadata.jsonl");
        write("sets/3_robot/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a thing\"}");
        write("sets/1_robot/b.png", "");
        write("sets/1_robot/b.txt", "a robot");

        Converted converted = toml("train_db", "");

        assertThat(captions(converted).path("source").asText()).isNotEqualTo("None");
        assertThat(converted.warnings())
                .anyMatch(
                        warning -> warning.contains("captions of %s are read, which no option names".formatted(table)));
        write("sets/3_robot/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a <concept>\"}");
        assertThatThrownBy(() -> toml("train_db", "")).hasMessageContaining("but metadata.jsonl has it");
        write("sets/3_robot/metadata.jsonl", "{");
        assertThatThrownBy(() -> toml("train_db", "")).hasMessageContaining(table + " has no JSON in line 1: ");
    }

    @Test
    void whatCaptionsFilesEndWithHasAnEffectWhereOneDataSetHasNoTable() throws IOException {
        String config =
                "[general]\ncaption_extension = '%s'\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\nmetadata_file = 'one/metadata.json'\n";
        write("one/a.png", "");
        write("one/metadata.json", "{\"a\": \"a robot\"}");
        write("both.toml", config.formatted("txt") + "[[datasets.subsets]]\nimage_dir = 'sets/3_robot'\n");
        write("off.toml", config.formatted(""));
        write("on.toml", config.formatted("txt"));

        assertThat(toml("sdxl_train", "dataset_config = 'both.toml'").warnings())
                .noneMatch(warning -> warning.contains("caption_extension"));
        assertThat(toml("sdxl_train", "dataset_config = 'off.toml'").warnings())
                .noneMatch(warning -> warning.contains("caption_extension"));
        assertThat(toml("sdxl_train", "dataset_config = 'on.toml'").warnings())
                .contains("without effect: `caption_extension` (captions are a table's)");
    }

    @ParameterizedTest
    @CsvSource({"05_dog, 5", "007_dog, 7", "' 5 _dog', 5", "+5_dog, 5"})
    void repeatsOfAFoldersNameAreReadAsThere(String name, int repeats) throws IOException {
        write("odd/" + name + "/a.png", "");

        assertThat(toml("train_db", "train_data_dir = 'odd'")
                        .training()
                        .at("/spec/datasets/0/repeats")
                        .asInt())
                .isEqualTo(repeats);
    }

    @ParameterizedTest
    @CsvSource({
        "0_dog, has fewer repeats than 1 in its name",
        "-1_dog, has fewer repeats than 1 in its name",
        "x5_dog, has no number of repeats before a _ in its name"
    })
    void foldersWithoutRepeatsArePassedOver(String name, String reason) throws IOException {
        write("sets/" + name + "/a.png", "");

        assertThat(toml("train_db", "").warnings())
                .contains("the folder %s %s, and is passed over".formatted(name, reason));
    }

    @Test
    void moreRepeatsThanThereCanBeAreRefused() throws IOException {
        write("odd/1234567_dog/a.png", "");

        assertThatThrownBy(() -> toml("train_db", "train_data_dir = 'odd'"))
                .hasMessageContaining(
                        "`train_data_dir` must have folders N_NAME with an N of at most 6 digits, but 1234567_dog has more");
    }

    /** As captions are. */
    @Test
    void promptsOfAnotherEncodingAreRead() throws IOException {
        Files.write(folder.resolve("p.txt"), "a r\u00e9mi".getBytes(StandardCharsets.UTF_16));

        assertThat(toml("train_db", "sample_prompts = 'p.txt'")
                        .training()
                        .at("/spec/sampling/prompts/0/text")
                        .asText())
                .isEqualTo("a r\u00e9mi");
    }

    @Test
    void wordsOfAFoldersNameHaveNoSpacesAroundThem() throws IOException {
        write("odd/1_ tin robot/a.png", "");

        assertThat(toml("train_db", "train_data_dir = 'odd'")
                        .training()
                        .at("/spec/datasets/0/concept/trigger")
                        .asText())
                .isEqualTo("tin robot");
    }
}
