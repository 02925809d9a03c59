package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Comments, quotes, lines and separators of scripts around a command line of kohya's. */
class ShellTextTest {
    private static final String LINE = KohyaLines.LINE;

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Conversions.kohyaPicture(folder);
    }

    private Converted convert(String name, String script) throws IOException {
        return KohyaLines.convert(folder, name, script);
    }

    private int seed(String name, String script) throws IOException {
        return KohyaLines.spec(convert(name, script), "/training/seed").asInt();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                " # the last option",
                " 2>&1 | tee log.txt",
                " > log.txt 2>&1 &",
                " >>log.txt 2>>errors.txt",
                " &> log.txt",
                " < /dev/null; echo done",
                "^\r\n",
                "`\n",
                "\\\r\n",
                " \\\n  # the last option\n",
                " \\\r\n 2>&1"
            })
    void whatIsNoWordOfTheCommandIsPassedOver(String behind) throws IOException {
        Converted converted = convert("train.sh", LINE + behind);

        assertThat(KohyaLines.spec(converted, "/training/seed").asText()).isEqualTo("7");
        assertThat(converted.warnings()).isEqualTo(convert("train.sh", LINE).warnings());
    }

    @ParameterizedTest
    @ValueSource(strings = {"^\r\n", "`\n", "` \n", "\\\r\n", " \\\n"})
    void aLineGoesOnRightBehindAWord(String end) throws IOException {
        assertThat(KohyaLines.spec(
                                convert("train.sh", LINE + " --network_dim=32" + end + "--network_alpha=4"),
                                "/training/adapter/alpha")
                        .asInt())
                .isEqualTo(4);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "NOTE=`cat note`\n",
                "NOTE='a `'\n",
                "cat <<EOF\nIt's \"open\nEOF\n",
                "cat > note.txt <<-'END' && echo\n\tDon't\n\tEND\n",
                "cat <<A <<B\nit's\nA\nit's\nB\n",
                "echo $((1<<2))\n",
                "echo done # it's\n"
            })
    void aLineOfAShellBeginsBehindWhatMayHoldOpenQuotes(String before) throws IOException {
        assertThat(seed("train.sh", before + LINE)).isEqualTo(7);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "rem Don't close\r\necho It's done\r\n",
                "@rem it's\r\n@echo off & REM \"\r\n",
                "REM\r\n:: it's \"\r\n",
                "echo \"half\r\n",
                "set OUT=D:\\loras\\\r\n",
                "call kohya_ss\\prepare.bat \".\\output\\\"\r\n"
            })
    void aLineOfWindowsBeginsBehindWhatMayHoldOpenQuotes(String before) throws IOException {
        assertThat(seed("train.bat", before + LINE)).isEqualTo(7);
        assertThat(seed("TRAIN.CMD", before + LINE)).isEqualTo(7);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "# it's\n",
                "<# it's\n \" #>\n",
                "$note = @\"\nit's \"open\n\"@\n",
                "$note = @'\nit's\n'@\n",
                "echo \"a `\" b\" 'it''s'\n",
                "mkdir \".\\output\\\"\n"
            })
    void aLineOfPowerShellBeginsBehindWhatMayHoldOpenQuotes(String before) throws IOException {
        assertThat(seed("train.ps1", before + LINE)).isEqualTo(7);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.bat | --output_dir=out\\loras | out/loras/last",
                "train.bat | --output_dir .\\out\\ | out/last",
                "train.bat | --output_dir=\".\\out\\\" --network_dim 8 | out/last",
                "train.cmd | --output_dir out^&more | out&more/last",
                "train.ps1 | --output_dir=out\\loras | out/loras/last",
                "train.ps1 | --output_dir \".\\out\\\" --network_dim 8 | out/last",
                "train.sh | --output_dir=out\\loras | outloras/last",
                "train.sh | --output_dir out\\ 1 | out 1/last"
            })
    void aBackslashPartsAPathInWindowsAndEscapesInAShell(String name, String option, String uri) throws IOException {
        String line = LINE.replace("train_network", name.endsWith(".sh") ? "./train_network" : "kohya\\train_network");

        assertThat(KohyaLines.spec(convert(name, line + " " + option), "/output/uri")
                        .asText())
                .isEqualTo(uri);
    }

    @Test
    void singleQuotesAreCharactersInWindows() {
        assertThat(ShellText.commands(Shell.Cmd, "echo 'a b' \"it's\"").get(0).words())
                .extracting(ShellWord::text)
                .containsExactly("echo", "'a", "b'", "it's");
    }

    @Test
    void aLineGoesOnWithinQuotes() throws IOException {
        Converted converted = convert(
                "train.sh", "ARGS=\"--network_dim=8 \\\n  --network_alpha=4\"\n" + LINE + " $ARGS --output_name=\"y\"");

        assertThat(KohyaLines.spec(converted, "/training/adapter/rank").asInt()).isEqualTo(8);
        assertThat(KohyaLines.spec(converted, "/training/adapter/alpha").asInt())
                .isEqualTo(4);
    }

    @Test
    void aHashWithinAWordIsNoComment() throws IOException {
        assertThat(KohyaLines.spec(
                                convert("train.sh", LINE + " --output_name a#1 --network_dim 8"),
                                "/training/adapter/rank")
                        .asInt())
                .isEqualTo(8);
    }

    @Test
    void whatIsNotReadIsSaid() throws IOException {
        assertThat(convert("train.sh", LINE + "\n" + LINE.replace("7", "8")).warnings())
                .contains("of its 2 command lines of kohya's scripts the first is read");
        assertThat(convert("train.sh", LINE + " \\\n# --network_dim 4 \\\n--network_dim 8")
                        .warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`--network_dim` and what follows it"));
    }

    @ParameterizedTest
    @CsvSource({"train.sh, LAUNCH=(", "train.ps1, $launch = @("})
    void elementsOfAnArrayAreNoOptionsThatBeginALine(String name, String array) throws IOException {
        String script = array + "\n  --num_processes 1\n  --mixed_precision bf16)\n" + LINE;

        assertThat(convert(name, script).warnings())
                .isEqualTo(convert(name, LINE).warnings());
    }

    @Test
    void commandsOfAHereDocumentAreNotRead() throws IOException {
        Path file = Files.writeString(folder.resolve("train.sh"), "cat <<EOF\n" + LINE + "\nEOF\n");

        assertThat(Conversion.recognise(file)).isNull();
        assertThatThrownBy(() -> Conversion.requireReadable(file))
                .hasMessage(
                        "%s: the command line must stand outside of here-documents: put what is in that one into a file of its own",
                        file);
    }

    @Test
    void aWordMayHaveTheOutputOfACommand() {
        List<ShellCommand> commands = ShellText.commands(
                Shell.Posix,
                "A=\"$(cd \"$(dirname \"$0\")\" && pwd)/b\" $(cat a | head -n \"$(c d)\"); echo $((1 + 2)) \"$(\"");

        assertThat(commands).hasSize(2);
        assertThat(commands.get(0).words())
                .extracting(ShellWord::written)
                .containsExactly("A=\"$(cd \"$(dirname \"$0\")\" && pwd)/b\"", "$(cat a | head -n \"$(c d)\")");
        assertThat(commands.get(1).words())
                .extracting(ShellWord::text)
                .containsExactly("echo", "$((1", "+", "2))", "$(");
    }

    @Test
    void whatIsInSingleQuotesOrEscapedIsNoVariable() {
        List<ShellCommand> commands = ShellText.commands(Shell.Posix, "X=1\necho '$X' \\$X \"\\$X $X\" a\"$X\"b");

        assertThat(commands.get(1).words())
                .extracting(word -> String.join("+", word.with(Map.of("X", "1"))))
                .containsExactly("echo", "$X", "$X", "$X 1", "a1b");
    }

    @Test
    void variablesStandInDoubleQuotesOfPowerShellAlone() {
        List<ShellCommand> commands =
                ShellText.commands(Shell.PowerShell, "echo '$X' `$X \"`$X $X\" a\"${x}\"b $X.Length \"$X[0]\" 'it''s'");

        assertThat(commands.get(0).words())
                .extracting(word -> String.join("+", word.with(Map.of("x", "1"))))
                .containsExactly("echo", "$X", "$X", "$X 1", "a1b", "$X.Length", "$X[0]", "it's");
    }

    @Test
    void windowsFillsInVariablesBeforeItDividesALine() {
        List<ShellCommand> commands = ShellText.commands(Shell.Cmd, "echo %X% \"%x%\" 5%% ^%X% %%i %~dp0more %NONE%");

        assertThat(commands.get(0).words())
                .extracting(word -> String.join("+", word.with(Map.of("x", "a b", "~dp0", "/c/"))))
                .containsExactly("echo", "a+b", "a b", "5%", "a+b", "%%i", "/c/more", "%NONE%");
    }
}
