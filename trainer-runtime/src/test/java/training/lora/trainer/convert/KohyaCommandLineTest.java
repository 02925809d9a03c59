package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.TrainerException;

/** Options as the words behind a script of kohya's give them. */
class KohyaCommandLineTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Posix | --max_train_steps --seed 7 | `max_train_steps` must have a value, was without one",
                "Posix | --output_name | `output_name` must have a value, was without one",
                "Posix | a --seed 7 | \"a\" must belong to an option",
                "Posix | --xformers a | \"a\" must belong to an option",
                "Posix | --seed 7 $EXTRA | `seed` must be given as it is, without variables that nothing sets to one value, was \"$EXTRA\"",
                "Posix | $EXTRA --seed 7 | options must be written out where a variable stands for them that nothing sets to one value, was \"$EXTRA\"",
                "Posix | --xformers $EXTRA | options must be written out where a variable stands for them that nothing sets to one value, was \"$EXTRA\"",
                "Posix | --$KEY=1 | options must be written out where a variable stands for them that nothing sets to one value, was \"--$KEY\"",
                "Posix | ${ARGS[@]} | options must be written out, for arrays and a script's own arguments aren't read, was \"${ARGS[@]}\"",
                "Posix | --wandb_api_key $@ | `wandb_api_key` must be written out, for arrays and a script's own arguments aren't read, was \"$@\"",
                "Posix | --xformers $@ | options must be written out, for arrays and a script's own arguments aren't read, was \"$@\"",
                "Posix | --seed 7 $@ | `seed` must be written out, for arrays and a script's own arguments aren't read, was \"$@\"",
                "Posix | --network_args ${NET[*]} | `network_args` must be written out, for arrays and a script's own arguments aren't read, was \"${NET[*]}\"",
                "Cmd | --xformers %* | options must be written out, for arrays and a script's own arguments aren't read, was \"%*\"",
                "Cmd | --seed %1 | `seed` must be given as it is, without variables that nothing sets to one value, was \"%1\"",
                "Cmd | --seed !SEED! | `seed` must be given as it is, without variables that nothing sets to one value, was \"!SEED!\"",
                "PowerShell | --xformers @args | options must be written out, for arrays and a script's own arguments aren't read, was \"@args\"",
                "PowerShell | --seed $args[0] | `seed` must be written out, for arrays and a script's own arguments aren't read, was \"$args[0]\"",
                "PowerShell | --seed $Env:SEED | `seed` must be given as it is, without variables that nothing sets to one value, was \"$Env:SEED\"",
                "Posix | --seed $((7*2)) | `seed` must be given as it is, without variables that nothing sets to one value, was \"$((7*2))\"",
                "Posix | --seed %SEED% | `seed` must be given as it is, without variables that nothing sets to one value, was \"%SEED%\""
            })
    void whatIsWrongIsSaidWithOptionAndValue(Shell shell, String words, String sentence) {
        assertThatThrownBy(() -> KohyaCommandLine.options("f", shell, List.of(words.split(" "))))
                .isInstanceOf(TrainerException.class)
                .hasMessage("f: " + sentence);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--wandb_api_key=$WANDB_API_KEY",
                "--huggingface_token=$HF_TOKEN",
                "--max_data_loader_n_workers=$(nproc)",
                "--training_comment=uses `foo`"
            })
    void whatHasNoEffectMayHoldVariables(String option) {
        assertThat(KohyaCommandLine.options("f", Shell.Posix, List.of(option))).hasSize(1);
    }

    @Test
    void wordsOfNoScriptAreTakenAsTheyAre() {
        assertThat(KohyaCommandLine.options("f", null, List.of("--output_name", "$5 `a`", "--seed=%X%"))
                        .toString())
                .isEqualTo("{\"output_name\":\"$5 `a`\",\"seed\":\"%X%\"}");
    }

    @Test
    void flagsAreTrueAndListsMayBeEmpty() {
        assertThat(KohyaCommandLine.options(
                                "f",
                                Shell.Posix,
                                List.of(
                                        "--xformers",
                                        "--network_args",
                                        "--flip-aug",
                                        "--betas",
                                        "1",
                                        "2",
                                        "--enable_bucket",
                                        "False",
                                        "--mine"))
                        .toString())
                .isEqualTo(
                        "{\"xformers\":true,\"flip_aug\":true,\"betas\":[\"1\",\"2\"],\"enable_bucket\":\"False\",\"mine\":true}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"https://a.example/my%20set%20b.safetensors", "https://a.example/%E3%81%82%E3%81.safetensors"})
    void addressesMayHaveEscapedCharacters(String uri) {
        assertThat(KohyaCommandLine.options("f", Shell.Posix, List.of("--vae", uri))
                        .get("vae")
                        .asText())
                .isEqualTo(uri);
    }
}
