package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.TrainerException;

/** Which files of a folder are a data set's. */
class DataFolderTest {
    @TempDir
    Path place;

    private Path data;

    @BeforeEach
    void folder() throws IOException {
        data = Files.createDirectories(place.resolve("data"));
    }

    private void file(String name) throws IOException {
        Path file = place.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, name);
    }

    private void link(String name, String target) throws IOException {
        Path link = place.resolve(name);
        Files.createDirectories(link.getParent());
        Files.createSymbolicLink(link, Path.of(target));
    }

    private DataFolder.Content content() throws IOException {
        return DataFolder.list(data, null, Set.of());
    }

    private static List<String> names(DataFolder.Content content) {
        return content.files().stream().map(DataFolder.Entry::name).toList();
    }

    private static List<String> lost(DataFolder.Content content) {
        return content.lost().stream()
                .map(lost -> lost.link().name() + ": " + lost.why())
                .toList();
    }

    @Test
    void whatSystemsLeaveBehindIsPassedOverAtAnyDepth() throws IOException {
        for (String leftover : List.of(
                "._a.png",
                ".DS_Store",
                ".hidden/a.png",
                ".Trash-1000/files/a.png",
                ".thumbnails/a.png",
                "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
                "#recycle/a.png",
                "@Recycle/a.png",
                "__MACOSX/._a.png",
                "lost+found/a.png",
                "$RECYCLE.BIN/a.png",
                "System Volume Information/a.png",
                "Thumbs.db",
                "desktop.ini",
                "thumbnails/a.png",
                "Thumbs/deep/a.png")) {
            file("data/" + leftover);
            file("data/sub/" + leftover);
        }
        file("data/a.png");
        file("data/sub/b.png");

        assertThat(names(content())).containsExactly("a.png", "sub/b.png");
    }

    @Test
    void folderThatIsHiddenItselfIsADataSetLikeAnyOther() throws IOException {
        file(".cache/thumbnails/a.png");
        data = place.resolve(".cache/thumbnails");

        assertThat(names(content())).containsExactly("a.png");
    }

    @Test
    void thumbnailsWithCaptionsAreMeant() throws IOException {
        file("data/thumbnails/a.png");
        file("data/thumbnails/a.txt");

        assertThat(names(content())).containsExactly("thumbnails/a.png", "thumbnails/a.txt");
    }

    @Test
    void foldersOfRunsArePassedOver() throws IOException {
        file("data/a.png");
        file("data/work/run.log");
        file("data/work/results/prepare/result.json");
        file("data/work/dataset/images/00000.png");
        file("data/published/run.log");
        file("data/published/manifest.json");
        file("data/published/samples.png");
        file("data/reported/training.yaml");
        file("data/reported/run/run.log");
        file("data/reported/run/results/train/result.json");
        file("data/reported/samples.png");
        file("data/mine/images/00000.png");
        file("data/runs/marathon.png");

        DataFolder.Content content =
                DataFolder.list(data, null, Set.of(data.resolve("mine").toRealPath()));

        assertThat(names(content)).containsExactly("a.png", "runs/marathon.png");
    }

    @Test
    void linksToFilesAndFoldersAreFollowed() throws IOException {
        file("real/one.png");
        file("real/sub/two.png");
        link("real/sub/three.png", "../one.png");
        link("data/one.png", "../real/one.png");
        link("data/sub", place.resolve("real/sub").toString());

        DataFolder.Content content = content();

        assertThat(names(content)).containsExactly("one.png", "sub/three.png", "sub/two.png");
        assertThat(content.lost()).isEmpty();
    }

    @Test
    void linkThatLeadsNowhereIsLost() throws IOException {
        file("data/a.png");
        link("data/gone.png", "nowhere.png");
        link("data/self.png", "self.png");
        link("data/belowfile.png", "a.png/b.png");
        link("data/belowself.png", "self.png/b.png");
        link("data/ping.png", "pong.png");
        link("data/pong.png", "ping.png");
        link("data/.hidden", "nowhere");

        DataFolder.Content content = content();

        assertThat(names(content)).containsExactly("a.png");
        assertThat(lost(content))
                .containsExactlyInAnyOrder(
                        "gone.png: a link that leads nowhere",
                        "self.png: a link that leads nowhere",
                        "belowfile.png: a link that leads nowhere",
                        "belowself.png: a link that leads nowhere",
                        "ping.png: a link that leads nowhere",
                        "pong.png: a link that leads nowhere");
    }

    /** A name that no file system takes stands for all errors that tell nothing of whether there is a file. */
    @Test
    void linkThatCannotBeFollowedForAnotherReasonFails() throws IOException {
        file("data/a.png");
        link("data/long.png", "x".repeat(300) + ".png");

        assertThatThrownBy(this::content).isInstanceOf(FileSystemException.class);
    }

    @Test
    void linksInACircleEndAndEachFolderIsListedOnce() throws IOException {
        file("data/sub/a.png");
        link("data/sub/again", "../sub");
        link("data/all", ".");
        link("data/latest", "sub");
        file("aside/b.png");
        link("data/aside", "../aside");
        link("aside/back", "../data/aside");

        DataFolder.Content content = content();

        assertThat(names(content)).containsExactly("aside/b.png", "sub/a.png");
        assertThat(content.lost()).isEmpty();
    }

    @Test
    void linkToAFolderAboveIsNotFollowed() throws IOException {
        file("data/a.png");
        file("b.png");
        link("data/up", "..");

        DataFolder.Content content = content();

        assertThat(names(content)).containsExactly("a.png");
        assertThat(lost(content)).containsExactly("up: a link to a folder that it lies in");
    }

    @Test
    void linkMayLeadAnywhereInTheVolumeAndNotOutOfIt() throws IOException {
        file("data/set/a.png");
        file("data/other/b.png");
        file("secret/token");
        link("data/set/b.png", "../other/b.png");
        link("data/set/a.txt", place.resolve("secret/token").toString());
        link("data/set/all", "../../secret");

        DataFolder.Content content = DataFolder.list(data.resolve("set"), data, Set.of());

        assertThat(names(content)).containsExactly("a.png", "b.png");
        assertThat(lost(content))
                .containsExactly(
                        "a.txt: a link that leads out of the data set's volume",
                        "all: a link that leads out of the data set's volume");
    }

    @Test
    void dataSetThatIsALinkOutOfItsVolumeIsRefused() throws IOException {
        file("secret/a.png");
        link("data/set", "../secret");

        assertThatThrownBy(() -> DataFolder.list(data.resolve("set"), data, Set.of()))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("must lie in its volume");
    }

    @Test
    void volumeMayBeALinkItself() throws IOException {
        file("disk/a.png");
        link("claim", "disk");

        assertThat(names(DataFolder.list(place.resolve("claim"), place.resolve("claim"), Set.of())))
                .containsExactly("a.png");
    }

    @Test
    void mountedConfigMapHasEachFileOnce() throws IOException {
        file("data/..2024_05_01_10_00_00.123456/a.png");
        file("data/..2024_05_01_10_00_00.123456/a.txt");
        link("data/..data", "..2024_05_01_10_00_00.123456");
        link("data/a.png", "..data/a.png");
        link("data/a.txt", "..data/a.txt");

        assertThat(names(content())).containsExactly("a.png", "a.txt");
    }
}
