package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** What is fetched of a repository of data. */
class NeededFilesTest {
    private static final Source DATA = new Source("spec.datasets[0].uri", "hf://datasets/a/b", Use.Dataset, null, null);

    @Test
    void tablesOfCaptionsAreFetchedWithThePicturesAndOtherTablesAreNot() {
        assertThat(NeededFiles.of(
                                DATA,
                                "",
                                List.of(
                                        "README.md",
                                        "a.png",
                                        "captions.jsonl",
                                        "dataset_infos.json",
                                        "metadata.csv",
                                        "train/Metadata.JSONL",
                                        "train/b.png",
                                        "train/metadata.json",
                                        "train/other.csv"))
                        .files()
                        .keySet())
                .containsExactly(
                        "a.png",
                        "captions.jsonl",
                        "metadata.csv",
                        "train/Metadata.JSONL",
                        "train/b.png",
                        "train/metadata.json");
    }

    @Test
    void aTableBesideAnArchiveIsNoReasonToLeaveThePicturesBehind() {
        assertThat(NeededFiles.of(DATA, "", List.of("metadata.jsonl", "pictures.zip")))
                .isEqualTo(NeededFiles.of(DATA, "", List.of("pictures.zip")));
    }
}
