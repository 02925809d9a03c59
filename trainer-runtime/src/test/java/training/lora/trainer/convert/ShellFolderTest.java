package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.TrainerException;

/** Where paths of a script's command line begin. */
class ShellFolderTest {
    @TempDir
    Path folder;

    /** Pictures that are found from the folder data/run alone. */
    @BeforeEach
    void pictures() throws IOException {
        Files.createDirectories(folder.resolve("data/run"));
        Conversions.kohyaPicture(folder.resolve("data"));
    }

    private static String line(String script) {
        return script.replace("TRAIN", KohyaLines.LINE.replace("sets", "../sets") + " --output_dir out");
    }

    private void requireInDataRun(Converted converted) {
        assertThat(KohyaLines.spec(converted, "/datasets/0/uri").asText()).isEqualTo("data/sets/3_robot");
        assertThat(KohyaLines.spec(converted, "/output/uri").asText()).isEqualTo("data/run/out/last");
        assertThat(converted.warnings()).noneMatch(warning -> warning.contains("not found"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cd data/run\nTRAIN",
                "cd data && cd run && TRAIN",
                "cd \"data\"; cd -- 'run' || exit 1\nTRAIN",
                "mkdir -p x && cd data/run\nTRAIN",
                "[ -d data ] && cd data/run && TRAIN",
                "R=run\ncd \"data/$R\"\nTRAIN",
                "pushd data/run > /dev/null\nTRAIN\npopd",
                "main() {\n  cd data/run\n  TRAIN\n}\nmain",
                "if [ -d data ]; then\n  cd data/run\n  TRAIN\nfi",
                "(cd elsewhere && make)\n( cd elsewhere; make )\n(\n  cd elsewhere\n)\ncd data/run\nTRAIN",
                "cd data/run\nTRAIN\ncd ..\n",
                "echo cd elsewhere\ncd ./data/../data/run/\nTRAIN"
            })
    void pathsBeginWhereAShellLeads(String script) throws IOException {
        requireInDataRun(KohyaLines.convert(folder, "train.sh", line(script)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.bat | cd data\\run",
                "train.bat | CD /d \"data\" & cd run",
                "train.bat | chdir data\\run && echo",
                "train.bat | 'if not exist data goto :eof\ncd data\\run'",
                "train.ps1 | Set-Location -Path .\\data\\run",
                "train.ps1 | $run = 'run'; cd \"data\\$run\""
            })
    void pathsBeginWhereWindowsLeads(String name, String before) throws IOException {
        requireInDataRun(KohyaLines.convert(folder, name, line(before + "\r\nTRAIN")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.sh | cd \"$(dirname \"$0\")\"/run",
                "train.sh | cd \"$(dirname \"$0\")/run\"",
                "train.sh | cd -- \"$(dirname -- \"${BASH_SOURCE[0]}\")\"; cd run",
                "train.sh | cd $(dirname $0)/run",
                "train.sh | cd \"$(dirname \"$(readlink -f \"$0\")\")/run\"",
                "train.bat | cd /d %~dp0run",
                "train.bat | cd /D \"%~DP0\" & cd run",
                "train.ps1 | Set-Location $PSScriptRoot; cd run",
                "train.ps1 | cd \"$PSScriptRoot\\run\""
            })
    void aScriptMayLeadToItsOwnFolder(String name, String before) throws IOException {
        Path file = Files.writeString(folder.resolve("data/" + name), line(before + "\nTRAIN"));

        requireInDataRun(Conversion.convert(Tool.Kohya, file, new Places(folder, folder)));
    }

    @Test
    void anAbsoluteFolderCountsAsItIs() throws IOException {
        String run = folder.resolve("data/run").toString();

        requireInDataRun(KohyaLines.convert(folder, "train.sh", line("cd '" + run + "'\nTRAIN")));
    }

    @Test
    void aFileThatTheCommandLineNamesIsReadThere() throws IOException {
        Files.writeString(folder.resolve("data/run/c.toml"), "network_dim = 12");

        Converted converted = KohyaLines.convert(folder, "train.sh", line("cd data/run\nTRAIN --config_file c"));

        assertThat(KohyaLines.spec(converted, "/training/adapter/rank").asInt()).isEqualTo(12);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.sh | cd \"$ROOT\" | cd \"$ROOT\"",
                "train.sh | cd $(git rev-parse --show-toplevel) | cd $(git rev-parse --show-toplevel)",
                "train.sh | if [ -d data ]; then cd data/run; fi | then cd data/run",
                "train.sh | [ -d data ] && cd data/run | cd data/run",
                "train.sh | cd data/run; cd - | cd -",
                "train.sh | cd | cd",
                "train.sh | cd data other | cd data other",
                "train.sh | cd data; popd | popd",
                "train.sh | cd ~someone/data | cd ~someone/data",
                "train.sh | prepare() { cd data/run; make; } | prepare() { cd data/run",
                "train.bat | cd /d D:\\data | cd /d D:\\data",
                "train.bat | if exist data cd data\\run | if exist data cd data\\run",
                "train.bat | if not exist data echo none & cd data\\run | cd data\\run",
                "train.bat | if exist data goto run & cd data\\run | cd data\\run",
                "train.ps1 | if ($x) { cd data } | if ($x) { cd data }"
            })
    void aFolderThatIsNotCertainIsRefused(String name, String before, String command) {
        assertThatThrownBy(() -> KohyaLines.convert(folder, name, line(before + "\nTRAIN")))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "%s: where `%s` leads must be certain, for paths begin there: write it out, or put the command line alone into a file, and start in that folder",
                        folder.resolve(name), command);
    }

    @ParameterizedTest
    @ValueSource(strings = {"~/loras", "$HOME/loras", "\"${HOME}/loras\"", "~/'loras'", "\"$LORAS\""})
    void theFolderOfTheUserIsFilledIn(String path) throws IOException {
        Conversions.kohyaPicture(folder);

        Converted converted =
                KohyaLines.convert(folder, "train.sh", "LORAS=~/loras\n" + KohyaLines.LINE + " --output_dir " + path);

        assertThat(KohyaLines.spec(converted, "/output/uri").asText())
                .isEqualTo(System.getProperty("user.home") + "/loras/last");
    }

    @Test
    void theFolderOfTheUserIsWhereAShellLeads() throws IOException {
        Converted converted = KohyaLines.convert(
                folder,
                "train.sh",
                "cd ~\n" + KohyaLines.LINE.replace("sets", folder + "/data/sets") + " --output_dir out");

        assertThat(folder.resolve(KohyaLines.spec(converted, "/output/uri").asText())
                        .normalize())
                .isEqualTo(Path.of(System.getProperty("user.home"), "out/last"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.sh | --output_dir=~/loras | ~/loras",
                "train.sh | --output_dir \"~/loras\" | ~/loras",
                "train.sh | --output_dir ~someone/loras | ~someone/loras",
                "train.ps1 | --output_dir ~\\loras | ~\\loras"
            })
    void aFolderOfTheUserThatAShellLeavesAsItIsIsRefused(String name, String option, String path) throws IOException {
        Conversions.kohyaPicture(folder);

        assertThatThrownBy(() -> KohyaLines.convert(folder, name, KohyaLines.LINE + " " + option))
                .hasMessage(
                        "%s: `output_dir` must have its folder written out, for a shell leaves ~ in quotes and behind = as it is, was \"%s\"",
                        folder.resolve(name), path);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.sh | HOME=/x | \"$HOME/loras\" | $HOME/loras",
                "train.sh | HOME=/x | ~/loras | $HOME/loras",
                "train.ps1 | echo | $HOME/loras | $HOME/loras",
                "train.bat | echo | %USERPROFILE%\\loras | %USERPROFILE%\\loras"
            })
    void anotherFolderOfTheUserIsNoneThatIsKnown(String name, String before, String path, String shown)
            throws IOException {
        Conversions.kohyaPicture(folder);

        assertThatThrownBy(() ->
                        KohyaLines.convert(folder, name, before + "\n" + KohyaLines.LINE + " --output_dir " + path))
                .hasMessageContaining("`output_dir` must be given as it is")
                .hasMessageContaining("was \"" + shown + "\"");
    }
}
