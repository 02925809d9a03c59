package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which values of variables that scripts set are certain. */
class ShellVariablesTest {
    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Conversions.kohyaPicture(folder);
    }

    /** The model of a script's command line, where {@code model} stands for it. */
    private String model(String name, String before, String model, String behind) throws IOException {
        return KohyaLines.spec(
                        KohyaLines.convert(
                                folder, name, before + "\n" + KohyaLines.LINE.replace("a/b", model) + behind),
                        "/baseModel/uri")
                .asText();
    }

    private void requireRefused(String name, String before, String variable) {
        assertThatThrownBy(() -> model(name, before, variable, ""))
                .hasMessageContaining(
                        "`pretrained_model_name_or_path` must be given as it is, without variables that nothing sets to one value, was \""
                                + variable + "\"");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.sh | MODEL=a/c | --pretrained_model_name_or_path $MODEL",
                "train.sh | export ORG=a MODEL='c' | --pretrained_model_name_or_path \"$ORG/${MODEL}\"",
                "train.sh | export ORG=a MODEL=$ORG/c | --pretrained_model_name_or_path $MODEL",
                "train.sh | ORG=a; MODEL=\"$ORG/c\" | --pretrained_model_name_or_path=\"$MODEL\"",
                "train.sh | MORE=\"--seed 9  --pretrained_model_name_or_path a/c\" | $MORE",
                "train.bat | set MODEL=a/c | --pretrained_model_name_or_path %MODEL%",
                "train.bat | @SET \"Model=a/c\" | --pretrained_model_name_or_path \"%MODEL%\"",
                "train.bat | set MORE=--seed 9 --pretrained_model_name_or_path a/c | %MORE%",
                "train.bat | set MODEL=\"a/c\" | --pretrained_model_name_or_path=%model%",
                "train.ps1 | $model = \"a/c\" | --pretrained_model_name_or_path $MODEL",
                "train.ps1 | [string]$model='a/c' | --pretrained_model_name_or_path=\"$model\"",
                "train.ps1 | $org = 'a'; $model = \"$org/c\" | --pretrained_model_name_or_path=$model"
            })
    void variablesThatTheScriptSetsAreFilledIn(String name, String before, String option) throws IOException {
        String line = KohyaLines.LINE.replace("--pretrained_model_name_or_path a/b", option);

        assertThat(KohyaLines.spec(KohyaLines.convert(folder, name, before + "\n" + line), "/baseModel/uri")
                        .asText())
                .isEqualTo("hf://a/c");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.bat | set NAME=my lora | \"%NAME%\" | my-lora",
                "train.bat | set NAME=\"my lora\" | %NAME% | my-lora",
                "train.bat | set NAME=100%% mine | \"%NAME%\" | 100-mine",
                "train.ps1 | $name = 'my lora' | $name | my-lora",
                "train.sh | NAME='my lora' | \"$NAME\" | my-lora"
            })
    void aValueMayHaveSpaces(String file, String before, String option, String name) throws IOException {
        Converted converted =
                KohyaLines.convert(folder, file, before + "\n" + KohyaLines.LINE + " --output_name " + option);

        assertThat(converted.training().at("/metadata/name").asText()).isEqualTo(name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1e-4", "'1e-4'", "\"1E-4\"", ".0001", "1.0e-4"})
    void numbersOfPowerShellAreValues(String number) throws IOException {
        Converted converted = KohyaLines.convert(
                folder, "train.ps1", "$lr = " + number + "\n" + KohyaLines.LINE + " --learning_rate=$lr");

        assertThat(KohyaLines.spec(converted, "/training/optimizer/learningRate")
                        .asDouble())
                .isEqualTo(1e-4);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "MODEL=$(cat model)",
                "MODEL=`cat model`",
                "MODEL=a\nMODEL=b",
                "MODEL=a\nif [ -d b ]; then MODEL=b; fi",
                "MODEL=a\nMODEL+=b",
                "MODEL=(a b)",
                "for MODEL in a b; do echo; done",
                "MODEL=a\nfor MODEL in b c; do echo; done",
                "B=b\nif [ \"$1\" = xl ]; then B=c; fi\nMODEL=\"a/$B\"",
                "if [ -d b ]; then\n  MODEL=a\nfi",
                "if [ -d b ]; then\n  echo\nelif [ -d c ]; then\n  echo\nfi\ncase $1 in\n  xl) MODEL=a ;;\nesac",
                "MODEL=a\ncase $1 in xl) MODEL=b ;; esac",
                "while read -r MODEL; do echo; done",
                "MODEL=a\nread -p which MODEL",
                "names() {\n  MODEL=a\n}",
                "set MODEL=a",
                "MODEL=a\nlet MODEL=16",
                "MODEL=a\nlet 'MODEL += 1'",
                "MODEL=8\n((MODEL*=2))",
                "MODEL=8\n(( MODEL *= 2 ))",
                "MODEL=8\n((MODEL++))",
                "MODEL=8\n((MODEL<<=1))",
                "MODEL=8\n[ -d b ] && (( X = 1, MODEL -= 2 ))",
                "MODEL=8\nX=$((MODEL++))",
                "MODEL=a\nprintf -v MODEL %s b",
                "MODEL=a\nIFS= read MODEL",
                "MODEL=a\nsource local.env",
                "MODEL=a\n[ -f local.env ] && . ./local.env",
                "MODEL=a\nif [ -f local.env ]; then . local.env; fi",
                "MODEL=a\nexport $(cat local.env)",
                "MODEL=a\neval \"$1\"",
                "[ -d b ] && MODEL=a",
                "[ -d b ] || MODEL=a",
                "MODEL=a | tee log",
                "echo a | MODEL=a",
                "MODEL=a CUDA_VISIBLE_DEVICES=0 \\"
            })
    void variablesOfAShellOfNoOneValueAreRefused(String before) {
        requireRefused("train.sh", before, "$MODEL");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "$MODEL=a",
                "set MODEL=a\nif \"%1\"==\"xl\" set MODEL=b",
                "set MODEL=a\nif \"%1\"==\"xl\" set model=b",
                "set MODEL=a\nif \"%1\"==\"xl\" (\n  set \"MODEL=a\"\n)",
                "set MODEL=a\nset /p MODEL=which",
                "set MODEL=8\nset /a MODEL*=2",
                "set MODEL=8\nset /a \"X=1, MODEL = 2\"",
                "set MODEL=a\nfor %%i in (b c) do set MODEL=%%i",
                "set MODEL=a\ncall local.bat",
                "set MODEL=a\ncall :names",
                "setlocal\nset MODEL=a\nendlocal",
                "if \"%1\"==\"\" goto run\nset MODEL=a\n:run",
                "if \"%1\"==\"\" GOTO:run\nset MODEL=a\n:run",
                "where b && set MODEL=a",
                "if exist b echo b & set MODEL=a",
                "set MODEL=%1",
                "set MODEL=a!X!",
                "set MODEL=a & \\"
            })
    void variablesOfWindowsOfNoOneValueAreRefused(String before) {
        String script = before.endsWith("\\") ? before.substring(0, before.length() - 1) : before + "\r\n";

        assertThatThrownBy(() ->
                        KohyaLines.convert(folder, "train.bat", script + KohyaLines.LINE.replace("a/b", "%MODEL%")))
                .hasMessageContaining(
                        "`pretrained_model_name_or_path` must be given as it is, without variables that nothing sets to one value, was \"%MODEL%\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "MODEL=a",
                "$MODEL = \"a\"\nif ($xl) { $MODEL = \"b\" }",
                "$MODEL = \"a\"\nif ($xl) { $model = \"b\" }",
                "$MODEL = \"a\"\nif ($xl) {\n  $MODEL=\"b\"\n}",
                "$MODEL = \"a\"\n$MODEL += \"b\"",
                "$MODEL = 8\n$MODEL++",
                "$MODEL = 8\n++$model",
                "$MODEL = 8\n$script:MODEL = 9",
                "$MODEL = 8\n$a, $MODEL = 1, 2",
                "$MODEL = 8\nSet-Variable -Name MODEL 9",
                "$MODEL = 8\nforeach ($MODEL in $all) { echo }",
                "$MODEL = \"a\"\n. .\\local.ps1",
                "$MODEL = \"a\"\nInvoke-Expression $x",
                "$MODEL = \"a\" | Out-String",
                "$MODEL = $true",
                "$MODEL = @()\n$MODEL += \"--v2\"",
                "$MODEL = [System.Collections.ArrayList]::new()\n[void]$MODEL.Add(\"--v2\")",
                "$MODEL = Get-Content"
            })
    void variablesOfPowerShellOfNoOneValueAreRefused(String before) {
        requireRefused("train.ps1", before, "$MODEL");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "if [ -d x ]; then\n  case $1 in x) Y=1 ;; esac\nelif [ -d y ]; then echo; fi; MODEL=a/c",
                "names() {\n  for i in 1 2; do echo \"{\"; done\n}\nMODEL=a/c",
                "MODEL=a/c\nsource venv/bin/activate\neval \"$(conda shell.bash hook)\"\n. /opt/conda/etc/profile.d/conda.sh",
                "source local.env\nMODEL=a/c",
                "cd . && MODEL=a/c",
                "export X=1 && export MODEL=a/c",
                "pip install -U x && MODEL=a/c",
                "MODEL=a/c\necho $((X * 2)) MODEL",
                "[ -d b ] && MODEL=a/c && \\",
                "main() {\n  MODEL=a/c\n \\",
                "if [ -d b ]; then\n  MODEL=a/c\n \\",
                "MODEL=a/c\nif [ -d b ]; then\n  echo\nelse\n \\"
            })
    void whatSurelyRunsBeforeInAShellIsFilledIn(String before) throws IOException {
        String script = before.endsWith("\\") ? before.substring(0, before.length() - 1) : before;

        assertThat(model("train.sh", script, "$MODEL", "")).isEqualTo("hf://a/c");
    }

    @Test
    void whatIsSetInAnotherBranchIsNoValue() {
        requireRefused("train.sh", "if [ -d b ]; then\n  MODEL=a\nelse\n", "$MODEL");
        requireRefused("train.sh", "case $1 in\n  a) MODEL=a ;;\n  b)\n", "$MODEL");
        requireRefused("train.sh", "(\n  MODEL=a\n)\n", "$MODEL");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "if exist b (\n  echo b\n) else (\n  echo c\n)\nset MODEL=a/c",
                "set MODEL=a/c\ncall venv\\Scripts\\activate.bat\ncall \"venv\\Scripts\\activate\"\ncall conda activate x",
                "if errorlevel 1 goto :eof\nset MODEL=a/c",
                "set MODEL=a/c\nif \"%1\"==\"\" goto run\n:run",
                "set ORG=a\nset MODEL=%org%/c",
                "cd . && set MODEL=a/c"
            })
    void whatSurelyRunsBeforeInWindowsIsFilledIn(String before) throws IOException {
        assertThat(model("train.bat", before, "%MODEL%", "\r\nendlocal")).isEqualTo("hf://a/c");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "$MODEL='a/c'",
                "if ($xl) { echo \"b\" } else {\n  echo $MODEL.b\n}\n$MODEL = 'a/c'",
                "$MODEL='a/c'\n. .\\venv\\Scripts\\Activate.ps1\n.\\venv\\Scripts\\activate",
                "$MODEL='a/c'\n$OTHER = \"b\"\n$OTHER += $MODEL\nif ($MODEL -eq 'x') { $OTHER = 1 }",
                "function Train {\n  $MODEL = 'a/c'\n"
            })
    void whatSurelyRunsBeforeInPowerShellIsFilledIn(String before) throws IOException {
        assertThat(model("train.ps1", before, "$MODEL", "")).isEqualTo("hf://a/c");
    }

    @Test
    void anOptionBehindAVariableOfPowerShellDoesNotChangeIt() throws IOException {
        Converted converted = KohyaLines.convert(
                folder, "train.ps1", "$lr = 0.002\n" + KohyaLines.LINE + " --learning_rate=$lr --network_dim 8");

        assertThat(KohyaLines.spec(converted, "/training/optimizer/learningRate")
                        .asDouble())
                .isEqualTo(0.002);
    }

    @Test
    void whatIsSetBehindTheCommandIsOfNoMatter() throws IOException {
        String again = "\nMODEL=b/d\n" + KohyaLines.LINE;

        assertThat(model("train.sh", "MODEL=a/c", "$MODEL", again)).isEqualTo("hf://a/c");
        assertThatThrownBy(() -> model("train.sh", "", "$MODEL", "\nMODEL=a/c")).hasMessageContaining("$MODEL");
        assertThatThrownBy(() -> model("train.sh", "MODEL=a/c\nwhile true; do", "$MODEL", "\nMODEL=b/d\ndone"))
                .hasMessageContaining("$MODEL");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train.txt | '@echo off\nset MODEL=a/c' | %MODEL%",
                "train | set \"MODEL=a/c\" | %MODEL%",
                "train.txt | $model = \"a/c\" | $model",
                "train.txt | MODEL=a/c | $MODEL",
                "train.txt | 'export MODEL=a/c\nset -e' | $MODEL"
            })
    void aFileWithoutAnEndingIsReadInTheLanguageOfItsText(String name, String before, String variable)
            throws IOException {
        assertThat(model(name, before, variable, "")).isEqualTo("hf://a/c");
    }

    @Test
    void namesOfAShellHaveCase() {
        requireRefused("train.sh", "model=a/c", "$MODEL");
    }
}
