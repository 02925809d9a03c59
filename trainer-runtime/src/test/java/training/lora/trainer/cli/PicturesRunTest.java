package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

/** Folders and archives of pictures as people have them. */
class PicturesRunTest {
    @TempDir
    Path folder;

    private TinyRun tiny;
    private Path data;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        data = folder.resolve("data");
    }

    private List<String> names() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples().stream()
                .map(Sample::name)
                .toList();
    }

    private void pair(String name) throws IOException {
        Files.copy(data.resolve("bat.png"), data.resolve(name + ".png"));
        Files.writeString(data.resolve(name + ".txt"), "a bat");
    }

    @Test
    void whatIsLeftOutStandsInTheLogAndTheResultEachTime() throws IOException {
        Files.writeString(data.resolve("layers.psd"), "8BPS");
        Files.writeString(data.resolve("layers.txt"), "a picture in layers");
        Files.createSymbolicLink(data.resolve("gone.png"), Path.of("nowhere.png"));
        Files.writeString(data.resolve("lost.txt"), "a text without a picture");
        String note = "data set \"main\" leaves out gone.png (a link that leads nowhere), layers.psd (Photoshop)";

        // The second time its data is there already.
        for (int attempt = 1; attempt <= 2; attempt++) {
            Ran ended = tiny.run("prepare");

            assertThat(ended.code()).isZero();
            assertThat(ended.error())
                    .contains(note)
                    .contains("data set \"main\" has texts without a picture beside them: lost");
            assertThat(Json.MAPPER
                            .readValue(
                                    tiny.workspace()
                                            .resolve("results/prepare/result.json")
                                            .toFile(),
                                    StageResult.class)
                            .message())
                    .contains(note);
        }
        assertThat(names()).containsExactly("main/bat.png", "main/crab.png", "main/pear.png");
    }

    @Test
    void dataSetOfWhichMostIsLeftOutIsRefused() throws IOException {
        for (int i = 0; i < 4; i++) {
            Files.writeString(data.resolve(i + ".psd"), "8BPS");
            Files.writeString(data.resolve(i + ".txt"), "a picture in layers");
        }

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(ended.error())
                .contains(
                        "4 of 7 are left out: 0.psd (Photoshop), 1.psd (Photoshop), 2.psd (Photoshop), 3.psd (Photoshop)");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void pictureThatCantBeReadIsLeftOutAndNamedOrAnErrorWhereThatIsAsked() throws IOException {
        byte[] whole = Files.readAllBytes(data.resolve("bat.png"));
        Files.write(data.resolve("cut.png"), Arrays.copyOf(whole, whole.length / 2));
        Files.writeString(data.resolve("cut.txt"), "a bat");
        Files.writeString(data.resolve("page.jpg"), "<html>");
        Files.writeString(data.resolve("page.txt"), "a page");

        Ran strict = tiny.run("prepare", "--set", "preparation.strict=true");
        Ran lenient = tiny.run("prepare");
        String result = Files.readString(tiny.workspace().resolve("results/prepare/result.json"));

        assertThat(strict.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(strict.error())
                .contains(
                        "every picture must be readable (`spec.preparation.strict`), but these are not: main/cut.png can't")
                .contains("main/page.jpg is no picture, whatever it is called");
        assertThat(lenient.code()).as(lenient.error()).isZero();
        assertThat(names()).containsExactly("main/bat.png", "main/crab.png", "main/pear.png");
        assertThat(result)
                .contains("pictures that can't be read are left out: main/cut.png")
                .contains("main/page.jpg");
        assertThat(tiny.workspace().resolve("dataset/report.html"))
                .content()
                .contains("pictures that can&#39;t be read are left out: main/cut.png");
    }

    @Test
    void namesOfAnyScriptAreRead() throws IOException {
        for (String name : List.of("Кошка", "猫の写真", "🐱", "nai\u0308ve", "caf\u00e9")) {
            pair(name);
        }

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(names())
                .containsExactlyInAnyOrder(
                        "main/bat.png",
                        "main/crab.png",
                        "main/pear.png",
                        "main/caf\u00e9.png",
                        "main/na\u00efve.png",
                        "main/Кошка.png",
                        "main/猫の写真.png",
                        "main/🐱.png");
    }

    @Test
    void archiveIsKnownByItsContentWhoeverMadeIt() throws IOException {
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(folder.resolve("DATA.ZIP"))) {
            for (String name : List.of("фото\\é.png", "фото\\é.txt", "__MACOSX/фото/._é.png")) {
                zip.putArchiveEntry(new ZipArchiveEntry(name));
                zip.write(
                        name.endsWith(".txt")
                                ? "a bat".getBytes(StandardCharsets.UTF_8)
                                : Files.readAllBytes(data.resolve("bat.png")));
                zip.closeArchiveEntry();
            }
        }

        Ran ended = tiny.run("prepare", "--set", "datasets=[{uri: DATA.ZIP}]");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(names()).containsExactly("main/фото/é.png");
    }

    @Test
    void singlePictureInAFoldersPlaceIsTold() {
        Ran ended = tiny.run("prepare", "--set", "datasets=[{uri: data/bat.png}]");

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error())
                .contains(
                        "`spec.datasets[0].uri` must name a folder of pictures or an archive of them (.zip, .tar, .tar.gz),"
                                + " but data/bat.png is a single picture (PNG)");
    }

    @Test
    void runThatWorksInItsDataSetsFolderIsNoPartOfTheDataSet() throws IOException {
        TinyRun inside = tiny.in(data.resolve("runs/tiny"));

        for (String steps : List.of("2", "3")) {
            Ran ended = inside.run("prepare", "--set", "training.steps=" + steps);

            assertThat(ended.code()).as(ended.error()).isZero();
            assertThat(PreparedDataset.manifest(inside.workspace().resolve("dataset"))
                            .samples())
                    .hasSize(3);
        }
        // Another run sees the first as what it is, too.
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(names()).hasSize(3);
    }

    @Test
    void linkInAClaimMayNotLeadOutOfItThoughThoseOfAPlainPathMay() throws Exception {
        Files.writeString(folder.resolve("token"), "secret");
        Files.delete(data.resolve("bat.txt"));
        Files.createSymbolicLink(data.resolve("bat.txt"), Path.of("../token"));

        Process claim =
                tiny.startWith(List.of("LORA_PVC_ROOT=" + folder), "prepare", "--set", "datasets=[{uri: pvc://data}]");

        assertThat(claim.waitFor()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(tiny.log())
                .content()
                .contains(
                        "bat.png has no caption that can be read, bat.txt is a link that leads out of the data set's volume")
                .doesNotContain("secret");
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples())
                .extracting(Sample::caption)
                .contains("secret");
    }
}
