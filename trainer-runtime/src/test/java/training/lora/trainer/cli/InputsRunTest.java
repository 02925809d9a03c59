package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Folders;
import training.lora.trainer.model.basemodel.ModelDigest;

/** Runs whose data, base model or spec change between two commands. */
class InputsRunTest extends ChangingRun {
    /** A caption that can't be read: no UTF-8. */
    private static final byte[] NO_TEXT = {(byte) 0xc3, '('};

    private StageResult result(String stage) throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("results/" + stage + "/result.json").toFile(), StageResult.class);
    }

    private void caption(String name, String text) throws IOException {
        Files.writeString(folder.resolve("data").resolve(name + ".txt"), text);
    }

    private void picture(String from, String to) throws IOException {
        Files.copy(
                folder.resolve("data").resolve(from + ".png"),
                folder.resolve("data").resolve(to + ".png"),
                StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void finishedRunIsTrainedAnewWhenItsDataChangeAndSaysWhatChanged() throws IOException {
        ends("run");
        byte[] first = tiny.lora();
        caption("bat", "something else");
        caption("pear", "else again");
        picture("bat", "crab");
        Files.copy(folder.resolve("data/pear.png"), folder.resolve("data/quince.png"));
        caption("quince", "a quince");
        String note = "the run in " + tiny.workspace().resolve("output")
                + " was finished, and is trained anew because the picture main/crab.png has changed,"
                + " the captions of main/bat.png, main/pear.png have changed, main/quince.png is new";

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains(note);
        assertThat(ended.output()).doesNotContain("nothing to do");
        assertThat(result("prepare").message()).isEqualTo(note);
        assertThat(tiny.lora()).isNotEqualTo(first);
        assertThat(run("run").output()).contains("nothing to do");
    }

    @Test
    void stagesThatRunAloneTrainChangedDataAnew() throws IOException {
        for (String stage : new String[] {"prepare", "train", "evaluate"}) {
            ends(stage);
        }
        byte[] first = tiny.lora();
        Files.delete(folder.resolve("data/pear.png"));
        Files.delete(folder.resolve("data/pear.txt"));

        for (String stage : new String[] {"prepare", "train"}) {
            ends(stage);
            assertThat(result(stage).alreadyComplete()).as(stage).isFalse();
        }

        assertThat(result("prepare").message()).contains("is trained anew because main/pear.png is gone");
        assertThat(result("train").message()).isNull();
        assertThat(tiny.lora()).isNotEqualTo(first);
        ends("prepare");
        assertThat(result("prepare").alreadyComplete()).isTrue();
    }

    @Test
    void dataThatAreAsTheyWereAgainNeedNothing() throws IOException {
        ends("run");
        String before = Files.readString(folder.resolve("data/bat.txt"));
        caption("bat", "something else");
        ends("prepare");
        caption("bat", before);

        for (String command : new String[] {"run", "prepare", "train"}) {
            assertThat(run(command).output()).contains("nothing to do");
        }
    }

    @Test
    void masksCount() throws IOException {
        for (String name : new String[] {"bat", "crab", "pear"}) {
            picture(name, name + "-masklabel");
        }
        settings = new String[] {"--set", "preparation.mask.source=Files"};
        ends("run");
        assertThat(run("run").output()).contains("nothing to do");
        picture("bat", "crab-masklabel");

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains("is trained anew because the masks of `spec.datasets` have changed");
    }

    @Test
    void otherBaseModelBehindALinkIsAnotherBaseModel() throws IOException {
        Path mine = Files.move(folder.resolve("base"), folder.resolve("mine"));
        Path other = folder.resolve("other");
        TinyRun.copyTree(mine, other);
        change(other);
        Path link = Files.createSymbolicLink(folder.resolve("base"), mine);
        ends("run");
        assertThat(manifest().baseModelDigest()).isEqualTo(ModelDigest.of(mine, null, FileDigests.computed()));
        Map<String, String> latents = TinyRun.digests(tiny.workspace().resolve("dataset"));
        Files.delete(link);
        Files.createSymbolicLink(link, other);

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains("is trained anew because the files of `spec.baseModel` have changed");
        assertThat(manifest().baseModelDigest()).isEqualTo(ModelDigest.of(other, null, FileDigests.computed()));
        assertThat(TinyRun.digests(tiny.workspace().resolve("dataset")).get("latents.safetensors"))
                .isNotEqualTo(latents.get("latents.safetensors"));
    }

    @Test
    void autoencoderInItsPlaceAndAdapterThatIsGoneOnFromCount() throws IOException {
        TinyRun.copyTree(folder.resolve("base/vae"), folder.resolve("vae"));
        ends("run");
        Path from = Files.copy(tiny.workspace().resolve("output/tiny.safetensors"), folder.resolve("from.safetensors"));
        settings = new String[] {
            "--set",
            "training.initFrom.uri=from.safetensors",
            "--set",
            "baseModel.vae.uri=vae",
            "--set",
            "training.seed=1"
        };
        ends("run");
        assertThat(run("run").output()).contains("nothing to do");

        Files.copy(tiny.workspace().resolve("output/tiny.safetensors"), from, StandardCopyOption.REPLACE_EXISTING);
        assertThat(run("run").error())
                .contains("is trained anew because the file of `spec.training.initFrom` has changed");
        Path weights = folder.resolve("vae/diffusion_pytorch_model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 2] ^= 1;
        Files.write(weights, bytes);

        assertThat(run("run").error()).contains("is trained anew because the files of `spec.baseModel` have changed");
        assertThat(run("run").output()).contains("nothing to do");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "data | `spec.datasets[0].uri` data",
                "base | `spec.baseModel.uri` base",
                "both | `spec.datasets[0].uri` data, `spec.baseModel.uri` base",
                "emptied | `spec.datasets[0].uri` data"
            })
    void finishedRunStaysFinishedWhenWhatItWasMadeFromIsGone(String gone, String named) throws IOException {
        ends("run");
        Map<String, String> output = TinyRun.digests(tiny.workspace().resolve("output"));
        if (!gone.equals("base")) {
            Folders.delete(folder.resolve("data"));
        }
        if (gone.equals("base") || gone.equals("both")) {
            Folders.delete(folder.resolve("base"));
        }
        if (gone.equals("emptied")) {
            Files.createDirectories(folder.resolve("data"));
        }

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.output()).contains("nothing to do");
        assertThat(ended.error())
                .contains("the run in " + tiny.workspace().resolve("output")
                        + " stays finished, though nothing is left at " + named + " to compare it with");
        assertThat(result("prepare").message()).contains("stays finished");
        assertThat(TinyRun.digests(tiny.workspace().resolve("output"))).isEqualTo(output);
        assertThat(run("train").code()).isZero();
    }

    @Test
    void runOfWhichSomethingIsGoneStaysFinishedWhateverElseChanged() throws IOException {
        ends("run");
        Map<String, String> output = TinyRun.digests(tiny.workspace().resolve("output"));
        String stays = "the run in " + tiny.workspace().resolve("output")
                + " stays finished, though nothing is left at %s to compare it with, and though %s";
        Path data = Files.move(folder.resolve("data"), folder.resolve("elsewhere"));
        change(folder.resolve("base"));

        Ran withoutData = run("run");

        assertThat(withoutData.code()).as(withoutData.error()).isZero();
        assertThat(withoutData.output()).contains("nothing to do");
        assertThat(withoutData.error())
                .contains(stays.formatted("`spec.datasets[0].uri` data", "the files of `spec.baseModel` have changed"));

        Files.move(data, folder.resolve("data"));
        Folders.delete(folder.resolve("base"));
        caption("bat", "something else");
        assertThat(run("run").error())
                .contains(stays.formatted("`spec.baseModel.uri` base", "the caption of main/bat.png has changed"));

        Files.write(folder.resolve("data/bat.txt"), NO_TEXT);
        Ran unreadable = run("run");
        assertThat(unreadable.code()).as(unreadable.error()).isZero();
        assertThat(unreadable.error())
                .contains(stays.formatted("`spec.baseModel.uri` base", "the data can't be read: "));
        assertThat(TinyRun.digests(tiny.workspace().resolve("output"))).isEqualTo(output);
    }

    @Test
    void changedDataThatArePreparedAreTrainedOnWhenTheirSourcesAreGone() throws IOException {
        ends("run");
        byte[] first = tiny.lora();
        caption("bat", "something else");
        ends("prepare");
        Folders.delete(folder.resolve("data"));

        ends("train");

        assertThat(tiny.lora()).isNotEqualTo(first);
    }

    @Test
    void finishedOutputAloneIsEnoughToKnowThatNothingIsToBeDone() throws IOException {
        ends("run");
        Folders.delete(tiny.workspace().resolve("dataset"));
        Folders.delete(tiny.workspace().resolve("train"));

        for (String command : new String[] {"run", "train", "evaluate"}) {
            assertThat(run(command).output()).contains("nothing to do");
        }
    }

    @Test
    void dataThatCanNoLongerBeTrainedOnLeaveTheFinishedRunAsItIs() throws IOException {
        ends("run");
        Map<String, String> output = TinyRun.digests(tiny.workspace().resolve("output"));
        Files.write(folder.resolve("data/bat.txt"), NO_TEXT);

        assertThat(run("run").code()).isEqualTo(Reason.InvalidData.exitCode());

        assertThat(TinyRun.digests(tiny.workspace().resolve("output"))).isEqualTo(output);
    }
}
