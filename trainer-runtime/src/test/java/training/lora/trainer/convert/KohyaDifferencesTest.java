package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pictures and captions that are found in another way than by kohya's scripts are told, and those that prepare refuses are refused. */
class KohyaDifferencesTest {
    private static final String SUBSETS = "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\n";

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        write("sets/5_dog/a.png", "");
        write("one/a.png", "");
        write("one/b.png", "");
    }

    private void write(String path, String text) throws IOException {
        Files.createDirectories(folder.resolve(path).getParent());
        Files.writeString(folder.resolve(path), text);
    }

    private Converted toml(@Nullable String from, String options) throws IOException {
        Converted converted = Conversions.kohyaSets(from, folder, options);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        return converted;
    }

    private Converted dataset(String config, String options) throws IOException {
        write("d.toml", config);
        return toml("sdxl_train", "dataset_config = 'd.toml'" + options);
    }

    @ParameterizedTest
    @CsvSource({"'a dog\n\nlong paragraph', true", "'\na dog', true", "'a dog\n\n', false", "a dog, false"})
    void linesBehindTheFirstAreToldWithoutWildcards(String caption, boolean told) throws IOException {
        String said = "all lines of a caption are read, and not the first alone (%s)";
        write("sets/5_dog/a.txt", caption);
        write(
                "one/metadata.jsonl",
                "{\"image_path\": \"a.png\", \"caption\": \"%s\"}".formatted(caption.replace("\n", "\\n")));

        assertThat(Conversions.differences(toml("train_db", "")).contains(said.formatted("a.txt")))
                .isEqualTo(told);
        assertThat(Conversions.differences(toml("train_db", "enable_wildcard = true")))
                .doesNotContain("lines");
        assertThat(Conversions.differences(dataset(SUBSETS + "metadata_file = 'one/metadata.jsonl'\n", ""))
                        .contains(said.formatted("metadata.jsonl")))
                .isEqualTo(told);
        assertThat(
                        Conversions.differences(dataset(
                                        SUBSETS + "metadata_file = 'one/metadata.jsonl'\n", "; enable_wildcard = true"))
                                .contains(
                                        "a caption of several lines in a table is one, and not several of which one is drawn (metadata.jsonl)"))
                .isEqualTo(told);
    }

    @Test
    void whatStandsAroundEachLineIsTold() throws IOException {
        write("sets/5_dog/a.txt", "a dog\nthe dog");

        assertThat(Conversions.differences(toml("train_db", "enable_wildcard = true; caption_suffix = 'x'")))
                .contains(
                        "`caption_suffix` stand around each line of a caption, and not before the first and behind the last alone (a.txt)");
        write("sets/5_dog/a.txt", "a dog");
        assertThat(Conversions.differences(toml("train_db", "enable_wildcard = true; caption_suffix = 'x'")))
                .doesNotContain("each line");
    }

    @ParameterizedTest
    @CsvSource({
        "'', txt, .caption",
        "'', caption, ''",
        "caption_extension = '.txt', txt, ''",
        "caption_extension = 'txt', caption, .txt",
        "caption_extention = '.txt', txt, ''"
    })
    void captionsOfTheOtherEndingAreTold(String option, String extension, String there) throws IOException {
        write("sets/5_dog/a." + extension, "the text");
        String told = "captions of sets/5_dog are read from files of another ending than %s too (a.%s)"
                .formatted(there, extension);

        assertThat(Conversions.differences(toml("train_db", option)).contains(told))
                .isEqualTo(!there.isEmpty());
    }

    @Test
    void aPictureWithTwoCaptionsIsRefused() throws IOException {
        write("sets/5_dog/a.txt", "1girl, solo");
        write("sets/5_dog/a.caption", "a girl");

        assertThatThrownBy(() -> toml("train_db", "caption_extension = '.txt'"))
                .hasMessage(
                        "%s: `train_data_dir` must have one caption for each picture, but a.png has several, in a.caption and a.txt, was \"sets/5_dog\"",
                        folder.resolve("c.toml"));
    }

    @Test
    void twoPicturesOfOneNameAreRefused() throws IOException {
        write("sets/5_dog/a.heic", "");
        toml("train_db", "");
        write("sets/5_dog/a.jpg", "");

        assertThatThrownBy(() -> toml("train_db", ""))
                .hasMessageContaining(
                        "`train_data_dir` must have pictures that differ in their names without extension, but a.jpg and a.png don't");
    }

    @Test
    void whatIsLeftOutWhenItIsPreparedIsNoReasonToRefuse() throws IOException {
        write("sets/5_dog/a.tif", "");
        write("sets/5_dog/README.md", "");
        write("sets/5_dog/README.txt", "a <concept>");
        write("sets/5_dog/licence.pdf", "");
        Files.write(folder.resolve("sets/5_dog/licence.txt"), new byte[] {(byte) 0xE9, ' '});

        assertThat(Conversions.differences(toml("train_db", "caption_extension = '.txt'")))
                .doesNotContain("licence");
    }

    @Test
    void aPictureBesideTheOneItWasMadeOfIsNotLearned() throws IOException {
        write("one/metadata.json", "{\"a\": {\"caption\": \"a dog\"}, \"b\": {\"tags\": \"x\"}}");
        write("one/a.heic", "");
        String options = "train_data_dir = 'one'; in_json = 'one/metadata.json'";

        assertThat(Conversions.differences(toml("sdxl_train", options))).doesNotContain("a.heic");
        write("one/c.heic", "");
        assertThat(Conversions.differences(toml("sdxl_train", options))).contains("c.heic");
    }

    @Test
    void aLinkToAFolderThatTheDataSetLiesInIsNotFollowed() throws IOException {
        Files.createSymbolicLink(folder.resolve("sets/5_dog/all"), folder.resolve("sets"));
        write("sets/other/x.png", "");

        assertThat(Conversions.differences(toml("train_db", ""))).doesNotContain("below");
    }

    @ParameterizedTest
    @ValueSource(strings = {"a.png", "a", "/elsewhere/a.png"})
    void aPictureWithACaptionInATableAndAFileIsRefused(String picture) throws IOException {
        write("one/metadata.json", "{\"%s\": {\"caption\": \"a dog\"}}".formatted(picture));
        write("one/a.txt", "a dog");

        assertThatThrownBy(() -> toml("sdxl_train", "train_data_dir = 'one'; in_json = 'one/metadata.json'"))
                .hasMessageContaining(
                        "`train_data_dir` must have one caption for each picture, but a.png has several, in metadata.json and a.txt");
    }

    @Test
    void picturesThatATableLeavesOutAreTold() throws IOException {
        write("one/metadata.json", "{\"a\": {\"caption\": \"a dog\"}}");

        assertThat(Conversions.differences(toml("sdxl_train", "train_data_dir = 'one'; in_json = 'one/metadata.json'")))
                .contains("pictures of one are learned too that the table of captions leaves out (b.png)");
        write("one/metadata.json", "{\"a\": {\"caption\": \"a dog\"}, \"b\": {\"tags\": \"x\"}}");
        assertThat(Conversions.differences(toml("sdxl_train", "train_data_dir = 'one'; in_json = 'one/metadata.json'")))
                .doesNotContain("leaves out");
    }

    @Test
    void whatLiesInFoldersBelowIsTold() throws IOException {
        assertThat(Conversions.differences(toml("train_db", ""))).doesNotContain("below");
        for (String name : new String[] {"b", "c", "d", "e"}) {
            write("sets/5_dog/old/%s.png".formatted(name), "");
        }
        write("sets/5_dog/old/b.caption", "a dog");
        write("sets/5_dog/old/metadata.csv", "file_name,text\nc.png,a dog\n");
        // Neither is learned.
        write("sets/5_dog/thumbs/a.png", "");
        write("sets/5_dog/.hidden/a.png", "");

        assertThat(Conversions.differences(toml("train_db", "")))
                .contains(
                        "pictures in folders below sets/5_dog are learned too (old/b.png, old/c.png, old/d.png and 1 more)")
                .contains("captions of %s are read, which no option names"
                        .formatted(folder.resolve("sets/5_dog/old/metadata.csv")));
        write("sets/5_dog/old/b.caption", "a <concept>");
        assertThatThrownBy(() -> toml("train_db", ""))
                .hasMessageContaining("must have captions without <concept>")
                .hasMessageContaining("but old/b.caption has it");
    }

    @Test
    void picturesOfOtherKindsAreTold() throws IOException {
        write("sets/5_dog/b.gif", "");
        write("sets/5_dog/c.avif", "");
        write("sets/5_dog/d-masklabel.png", "");

        assertThat(Conversions.differences(toml("train_db", "")))
                .contains(
                        "pictures of sets/5_dog are learned too that aren't called png, jpg, jpeg, webp, bmp, avif, jxl (b.gif)")
                .contains(
                        "what is called NAME-masklabel in sets/5_dog is the mask of a picture, and none itself (d-masklabel.png)");
    }

    @Test
    void whatIsSaidOfRegularizationPicturesAloneIsTold() throws IOException {
        String config = SUBSETS
                + "caption_prefix = 'x'\nkeep_tokens = 1\n[[datasets.subsets]]\nimage_dir = 'reg'\nis_reg = true\n";
        write("reg/a.png", "");

        assertThat(Conversions.differences(
                        dataset(config + "caption_prefix = 'y'\nkeep_tokens = 2\nflip_aug = false\n", "")))
                .contains("`caption_prefix` stands in no captions of regularization pictures")
                .contains("`keep_tokens` of regularization pictures is that of the others")
                .doesNotContain("flip_aug");
        assertThat(Conversions.differences(dataset(config + "keep_tokens = 1\n", "")))
                .doesNotContain("regularization");
    }

    @Test
    void tablesOfRegularizationPicturesAreTold() throws IOException {
        write("reg/1_dog/a.png", "");
        write("reg/1_dog/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a <concept>\"}");
        write("sets/5_dog/a.caption", "a dog");

        assertThat(Conversions.differences(toml("train_db", "reg_data_dir = 'reg'")))
                .contains("captions of %s are read, which no option names"
                        .formatted(folder.resolve("reg/1_dog/metadata.jsonl")));
    }

    @Test
    void tablesThatArePassedOverAreNoted() throws IOException {
        write("one/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a dog\"}");

        assertThat(dataset(SUBSETS, "").warnings())
                .contains("tables of captions that no option names are passed over, as there: "
                        + folder.resolve("one/metadata.jsonl"));
    }

    @Test
    void aFolderThatADataSetHasTwiceCountsOnce() throws IOException {
        write("other/a.png", "");
        String again = "[[datasets.subsets]]\nimage_dir = '%s'\nnum_repeats = 7\n";

        Converted twice = dataset(SUBSETS + again.formatted("one"), "");

        assertThat(twice.training().at("/spec/datasets").toString()).isEqualTo("[{\"name\":\"main\",\"uri\":\"one\"}]");
        assertThat(twice.warnings())
                .contains(
                        "one stands in `datasets.subsets` of one data set twice, and the first counts alone, as there");
        assertThat(dataset(SUBSETS + again.formatted("other"), "").training().at("/spec/datasets"))
                .hasSize(2);
        assertThat(dataset(SUBSETS + SUBSETS, "").training().at("/spec/datasets"))
                .hasSize(2);
    }

    @Test
    void anEpochHasThePicturesOfFoldersBelow() throws IOException {
        write("images/sub/1.png", "");
        write("images/sub/2.png", "");
        write("images/sub/3.png", "");
        write("images/metadata.json", "{\"sub/1.png\": {\"caption\": \"a dog\"}}");
        String options = "train_data_dir = 'images'; in_json = 'images/metadata.json'; save_every_n_epochs = 2";

        assertThat(toml("sdxl_train", options)
                        .training()
                        .at("/spec/training/checkpoints/everySteps")
                        .asInt())
                .isEqualTo(6);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a.avif", "a.png a.txt b.heic"})
    void anEpochOfPicturesThatCantBeCountedIsTold(String files) throws IOException {
        Files.createDirectories(folder.resolve("images/1_dog"));
        for (String file : files.split(" ")) {
            if (!file.isEmpty()) {
                write("images/1_dog/" + file, "");
            }
        }

        Converted converted = toml("train_db", "train_data_dir = 'images'; save_every_n_epochs = 2");

        assertThat(converted.training().at("/spec/training/checkpoints").has("everySteps"))
                .isFalse();
        assertThat(converted.warnings())
                .contains(
                        "`save_every_n_epochs` needs folders of pictures that are here to be counted: there are four checkpoints instead");
    }

    @Test
    void whatAPhoneTookAndWasConvertedCountsOnce() throws IOException {
        write("sets/5_dog/a.HEIC", "");

        assertThat(toml("train_db", "save_every_n_epochs = 1")
                        .training()
                        .at("/spec/training/checkpoints/everySteps")
                        .asInt())
                .isEqualTo(5);
    }

    @ParameterizedTest
    @CsvSource({"true, true", "false, false"})
    void theTokenIsSoughtInEachLineOfWildcards(boolean wildcards, boolean told) throws IOException {
        write("sets/5_dog/a.caption", "a dog\nat night");

        assertThat(Conversions.differences(toml(null, "token_string = 'dog'; enable_wildcard = " + wildcards))
                        .contains("captions without dog get it in front of them"))
                .isEqualTo(told);
        write("sets/5_dog/a.caption", "a dog\n\nthe dog at night");
        assertThat(Conversions.differences(toml(null, "token_string = 'dog'; enable_wildcard = " + wildcards)))
                .doesNotContain("captions without dog");
    }
}
