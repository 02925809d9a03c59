package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
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

/** Shell scripts around a command line of kohya's. */
class ShellTextTest {
    private static final String LINE =
            "python train_network.py --pretrained_model_name_or_path a/b --train_data_dir sets --resolution 512 --seed 7";

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Conversions.kohyaPicture(folder);
    }

    private Converted convert(String script) throws IOException {
        Path file = Files.writeString(folder.resolve("train.sh"), script);
        return Conversion.convert(Tool.Kohya, file, new Places(folder, folder));
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
        Converted converted = convert(LINE + behind);

        assertThat(converted.training().at("/spec/training/seed").asText()).isEqualTo("7");
        assertThat(converted.warnings()).isEqualTo(convert(LINE).warnings());
    }

    @ParameterizedTest
    @ValueSource(strings = {"^\r\n", "`\n", "` \n", "\\\r\n", " \\\n"})
    void aLineGoesOnRightBehindAWord(String end) throws IOException {
        assertThat(convert(LINE + " --network_dim=32" + end + "--network_alpha=4")
                        .training()
                        .at("/spec/training/adapter/alpha")
                        .asInt())
                .isEqualTo(4);
    }

    @Test
    void aLineGoesOnWithinQuotes() throws IOException {
        JsonNode adapter = convert(
                        "ARGS=\"--network_dim=8 \\\n  --network_alpha=4\"\n" + LINE + " $ARGS --output_name=\"y\"")
                .training()
                .at("/spec/training/adapter");

        assertThat(adapter.at("/rank").asInt()).isEqualTo(8);
        assertThat(adapter.at("/alpha").asInt()).isEqualTo(4);
    }

    @Test
    void aHashWithinAWordIsNoComment() throws IOException {
        assertThat(convert(LINE + " --output_name a#1 --network_dim 8")
                        .training()
                        .at("/spec/training/adapter/rank")
                        .asInt())
                .isEqualTo(8);
    }

    @Test
    void whatIsNotReadIsSaid() throws IOException {
        assertThat(convert(LINE + "\n" + LINE.replace("7", "8")).warnings())
                .contains("of its 2 command lines of kohya's scripts the first is read");
        assertThat(convert(LINE + " \\\n# --network_dim 4 \\\n--network_dim 8").warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`--network_dim` and what follows it"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "MODEL=a/c | --pretrained_model_name_or_path $MODEL | hf://a/c",
                "export ORG=a MODEL='c' | --pretrained_model_name_or_path \"$ORG/${MODEL}\" | hf://a/c",
                "ORG=a; MODEL=\"$ORG/c\" | --pretrained_model_name_or_path=\"$MODEL\" | hf://a/c",
                "set MODEL=a/c | --pretrained_model_name_or_path %MODEL% | hf://a/c",
                "$model = \"a/c\" | --pretrained_model_name_or_path $model | hf://a/c",
                "MORE=\"--seed 9  --pretrained_model_name_or_path a/c\" | $MORE | hf://a/c"
            })
    void variablesThatTheScriptSetsAreFilledIn(String before, String option, String uri) throws IOException {
        Converted converted = convert(before + "\n" + LINE.replace("--pretrained_model_name_or_path a/b", option));

        assertThat(converted.training().at("/spec/baseModel/uri").asText()).isEqualTo(uri);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "MODEL=$(cat model)",
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
                "set MODEL=a\nif \"%1\"==\"xl\" set MODEL=b",
                "set MODEL=a\nif \"%1\"==\"xl\" (\n  set \"MODEL=a\"\n)",
                "set MODEL=a\nset /p MODEL=which",
                "$MODEL = \"a\"\nif ($xl) { $MODEL = \"b\" }",
                "$MODEL = \"a\"\nif ($xl) {\n  $MODEL=\"b\"\n}",
                "$MODEL = \"a\"\n$MODEL += \"b\"",
                "$MODEL = @()\n$MODEL += \"--v2\"",
                "$MODEL = [System.Collections.ArrayList]::new()\n[void]$MODEL.Add(\"--v2\")",
                "$MODEL = Get-Content"
            })
    void variablesOfNoOneValueAreRefused(String before) {
        String line = LINE.replace("a/b", "$MODEL");

        assertThatThrownBy(() -> convert(before + "\n" + line))
                .hasMessageContaining(
                        "`pretrained_model_name_or_path` must be given as it is, without variables that nothing sets to one value, was \"$MODEL\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "if [ -d x ]; then\n  case $1 in x) Y=1 ;; esac\nelif [ -d y ]; then echo; fi; MODEL=a/c",
                "names() {\n  for i in 1 2; do echo \"{\"; done\n}\nMODEL=a/c",
                "$MODEL='a/c'",
                "if ($xl) { echo \"b\" } else {\n  echo $MODEL.b\n}\n$MODEL = 'a/c'",
                "if exist b (\n  echo b\n) else (\n  echo c\n)\nset MODEL=a/c"
            })
    void whatIsSetOutsideOfBranchesIsFilledIn(String before) throws IOException {
        assertThat(convert(before + "\n" + LINE.replace("a/b", "$MODEL"))
                        .training()
                        .at("/spec/baseModel/uri")
                        .asText())
                .isEqualTo("hf://a/c");
    }

    @Test
    void whatIsInSingleQuotesOrEscapedIsNoVariable() {
        List<List<ShellText.Word>> commands =
                ShellText.of("X=1\necho '$X' \\$X \"\\$X $X\" a\"$X\"b").commands();

        assertThat(commands.get(1))
                .extracting(word -> String.join("+", word.with(Map.of("X", "1"))))
                .containsExactly("echo", "$X", "$X", "$X 1", "a1b");
    }
}
