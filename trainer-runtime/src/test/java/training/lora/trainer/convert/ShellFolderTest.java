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
                "(cd data/run && TRAIN)",
                "( cd data/run && TRAIN )",
                "(cd data/run\nTRAIN\n)",
                "(\n  cd data/run\n  TRAIN)",
                "if [ -d data ]; then cd data/run; TRAIN; fi",
                "prepare() { cd elsewhere; make; }\nfunction more\n{\n  cd elsewhere\n}\ncd data/run\nTRAIN",
                "(cd elsewhere)\n(make; cd elsewhere)\ncd data/run\nTRAIN",
                "apt-get update && apt-get install -y git && cd data/run\nTRAIN",
                "python3 -m venv venv && source venv/bin/activate && cd data/run\nTRAIN",
                "echo start && mkdir -p x && cd data/run\nTRAIN",
                "ROOT=$(pwd)\ncd \"$ROOT/data\"\ncd run\nTRAIN",
                "cd $PWD/data/run\nTRAIN",
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
                "train.sh | cd ${0%/*}/run",
                "train.sh | 'SCRIPT_DIR=\"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\"\ncd \"$SCRIPT_DIR/run\"'",
                "train.sh | 'HERE=$(cd \"$(dirname \"$0\")\"; pwd -P)/run; cd $HERE'",
                "train.sh | 'ROOT=\"$( cd -- \"$( dirname -- \"${BASH_SOURCE[0]}\" )/..\" &> /dev/null && pwd )\"; cd \"$ROOT/data/run\"'",
                "train.sh | 'D=$(dirname \"$(realpath \"$0\")\"); cd \"$D\"/run'",
                "train.sh | 'D=$(readlink -f \"$(dirname \"$0\")\"); cd $D/run'",
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
    @ValueSource(
            strings = {
                "cd $WORKSPACE/sd-scripts\nTRAIN",
                "[ -d data ] && cd data/run\nTRAIN",
                "prepare() { cd elsewhere; }\nprepare\nTRAIN"
            })
    void aFolderThatIsNotCertainIsOfNoMatterToAbsolutePaths(String script) throws IOException {
        Converted converted = KohyaLines.convert(
                folder,
                "train.sh",
                script.replace(
                        "TRAIN",
                        KohyaLines.LINE.replace("sets", folder + "/data/sets") + " --output_dir " + folder + "/out"));

        assertThat(KohyaLines.spec(converted, "/datasets/0/uri").asText()).isEqualTo(folder + "/data/sets/3_robot");
        assertThat(KohyaLines.spec(converted, "/output/uri").asText()).isEqualTo(folder + "/out/last");
        assertThat(KohyaLines.spec(converted, "/baseModel/uri").asText()).isEqualTo("hf://a/b");
        assertThat(converted.warnings()).anySatisfy(warning -> assertThat(warning)
                .startsWith("`pretrained_model_name_or_path` a/b is taken as a repository of the Hub, for where `")
                .endsWith("` leads isn't certain"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cd \"$ROOT\"",
                "if [ ! -d x ]; then git clone x; cd x; pip install .; cd ..; fi",
                "prepare() { cd x; }\nprepare"
            })
    void anAbsoluteFolderIsKnownBehindOneThatIsNot(String before) throws IOException {
        requireInDataRun(KohyaLines.convert(
                folder, "train.sh", line(before + "\ncd " + folder.resolve("data") + "\ncd run\nTRAIN")));
    }

    @Test
    void aFileOfAFolderThatIsNotCertainIsNotLookedFor() throws IOException {
        Files.writeString(folder.resolve("c.toml"), "network_dim = 12");

        assertThatThrownBy(() -> KohyaLines.convert(folder, "train.sh", line("cd $X\nTRAIN --config_file c")))
                .hasMessage(
                        "%s: `config_file` must be an absolute path, for where `cd $X` leads isn't certain, was \"c.toml\"",
                        folder.resolve("train.sh"));
    }

    @Test
    void aDriveIsNamed() {
        assertThatThrownBy(() -> KohyaLines.convert(folder, "train.bat", line("cd /d D:\\data\r\nTRAIN")))
                .hasMessage(
                        "%s: `train_data_dir` must be an absolute path, for `cd /d D:\\data` leads to a path with a colon, as one with a drive, which isn't read, was \"../sets\"",
                        folder.resolve("train.bat"));
    }

    @Test
    void aParenthesisBehindTheLastOptionIsNoneOfIt() throws IOException {
        String line = KohyaLines.LINE.replace("sets", "data/sets");

        assertThat(KohyaLines.spec(
                                KohyaLines.convert(folder, "train.sh", "(" + line + " --output_dir=out)"),
                                "/output/uri")
                        .asText())
                .isEqualTo("out/last");
        assertThat(KohyaLines.spec(KohyaLines.convert(folder, "train.sh", line + " --output_dir='out)'"), "/output/uri")
                        .asText())
                .isEqualTo("out)/last");
        assertThat(KohyaLines.spec(KohyaLines.convert(folder, "train.bat", line + " --output_dir=out)"), "/output/uri")
                        .asText())
                .isEqualTo("out)/last");
    }

    @Test
    void theFolderIsTheOneWhereAVariableWasSet() throws IOException {
        String line = KohyaLines.LINE.replace("sets", "$ROOT/data/sets");

        assertThat(KohyaLines.spec(
                                KohyaLines.convert(folder, "train.sh", "ROOT=$(pwd)\ncd data/run\n" + line),
                                "/datasets/0/uri")
                        .asText())
                .isEqualTo(folder + "/data/sets/3_robot");
        assertThatThrownBy(() -> KohyaLines.convert(folder, "train.sh", "cd data/run\nROOT=$PWD\n" + line))
                .hasMessageContaining("`train_data_dir` must be given as it is");
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
                "train.sh | 'prepare() { cd data/run; make; }; prepare' | prepare() { cd data/run",
                "train.sh | 'go() { cd data/run; }; more() { go; }; more' | go() { cd data/run",
                "train.sh | cd \"$ROOT\"; cd data | cd \"$ROOT\"",
                "train.sh | grep -q x y && cd data/run | cd data/run",
                "train.sh | 'if cd data/run; then echo; fi' | if cd data/run",
                "train.ps1 | 'function Go { cd data }; Go' | function Go { cd data }",
                "train.bat | if exist data cd data\\run | if exist data cd data\\run",
                "train.bat | if not exist data echo none & cd data\\run | cd data\\run",
                "train.bat | if exist data goto run & cd data\\run | cd data\\run",
                "train.ps1 | if ($x) { cd data } | if ($x) { cd data }"
            })
    void aFolderThatIsNotCertainIsRefused(String name, String before, String command) {
        assertThatThrownBy(() -> KohyaLines.convert(folder, name, line(before + "\nTRAIN")))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "%s: `train_data_dir` must be an absolute path, for where `%s` leads isn't certain, was \"../sets\"",
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
