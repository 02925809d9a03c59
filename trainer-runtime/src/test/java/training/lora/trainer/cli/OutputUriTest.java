package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.StageResult;

/** Where {@code spec.output.uri} may lead outside a cluster, and what is said of the rest. */
class OutputUriTest {
    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
    }

    private Ran run(String command, String uri) {
        return tiny.run(command, "--set", "output.uri=" + uri);
    }

    private List<Artifact> artifacts() throws IOException {
        Path result = tiny.workspace().resolve("results/train/result.json");
        return Json.MAPPER.readValue(result.toFile(), StageResult.class).artifacts();
    }

    @Test
    void pathIsRelativeToTheFile() throws IOException {
        Ran ended = run("run", "models/tiny");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(folder.resolve("models/tiny/tiny.safetensors")).exists();
        assertThat(tiny.workspace().resolve("output")).doesNotExist();
        assertThat(artifacts()).extracting(Artifact::uri).contains("models/tiny/tiny.safetensors");
        assertThat(run("run", "models/tiny").output())
                .contains(folder.resolve("models/tiny") + " holds this run, finished: nothing to do");
    }

    @Test
    void runThatFailsBeforeItPublishesLeavesThePlaceToOthers() throws IOException {
        Ran failed = tiny.run("prepare", "--set", "output.uri=models/tiny", "--set", "datasets=[{uri: dato}]");

        assertThat(failed.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(folder.resolve("models/tiny")).isEmptyDirectory();
        assertThat(run("prepare", "models/tiny").code()).isZero();
        assertThat(folder.resolve("models/tiny/.publishing.json")).exists();
    }

    @Test
    void onlyARunThatCantBePreparedLeavesThePlace() throws IOException {
        Path claim = folder.resolve("models/tiny/.publishing.json");
        assertThat(run("prepare", "models/tiny").code()).isZero();
        String taken = Files.readString(claim);

        Ran untrained = run("evaluate", "models/tiny");
        assertThat(untrained.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(claim).hasContent(taken);

        // As if another workspace's process had taken it.
        Files.writeString(tiny.workspace().resolve(".claim"), "another");
        Ran elsewhere = tiny.run("prepare", "--set", "output.uri=models/tiny", "--set", "datasets=[{uri: dato}]");
        assertThat(elsewhere.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(claim).hasContent(taken);
    }

    @Test
    void pathOfOthersIsRefused() throws IOException {
        Files.createDirectories(folder.resolve("models"));
        Files.writeString(folder.resolve("models/v1-5.safetensors"), "somebody's");

        Ran ended = run("prepare", "models");

        assertThat(ended.code()).isEqualTo(Reason.OutputOwned.exitCode());
        assertThat(ended.error())
                .contains(
                        folder.resolve("models")
                                + " holds v1-5.safetensors, which no run of default/tiny wrote; take another `spec.output.uri`");
    }

    @Test
    void claimOfAPodIsPublishedToDirectly() throws IOException {
        Path claim = Files.createDirectories(folder.resolve("claims/models"));
        Function<String, @Nullable String> pod =
                name -> name.equals("LORA_PVC_ROOT") ? folder.resolve("claims").toString() : null;

        Ran ended = tiny.runWith(pod, "run", "--set", "output.uri=pvc://models/loras/tiny");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(claim.resolve("loras/tiny/tiny.safetensors")).exists();
        assertThat(claim.resolve("loras/tiny/.publishing.json")).doesNotExist();
        assertThat(ended.error()).doesNotContain("could not be written");
        assertThat(artifacts())
                .extracting(Artifact::uri)
                .contains("pvc://models/loras/tiny/tiny.safetensors", "pvc://models/loras/tiny/manifest.json");
    }

    @Test
    void linkOfAClaimLeadsToNoOtherVolume() throws IOException {
        Files.createDirectories(folder.resolve("claims/models"));
        Files.createSymbolicLink(
                folder.resolve("claims/models/loras"), Files.createDirectories(folder.resolve("elsewhere")));
        Function<String, @Nullable String> pod =
                name -> name.equals("LORA_PVC_ROOT") ? folder.resolve("claims").toString() : null;

        Ran ended = tiny.runWith(pod, "prepare", "--set", "output.uri=pvc://models/loras/tiny");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains(
                        "`spec.output.uri` pvc://models/loras/tiny must lie in its claim, but a link there leads out of it");
        assertThat(folder.resolve("elsewhere")).isEmptyDirectory();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "pvc://models/tiny | `spec.output.uri` pvc://models/tiny: names a volume claim, which there is only in a cluster; give a path instead",
                "work/train | must be a folder apart from those that the run works in",
            })
    void otherPlacesAreRefused(String uri, String sentence) {
        Ran ended = run("prepare", uri);

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error()).contains(sentence);
    }
}
