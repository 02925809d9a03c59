package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.convert.Converted;

/** Two files, command lines and what is too much, as {@code run} and {@code convert-config} are given them. */
class TrainingWordsTest {
    @TempDir
    Path folder;

    private Path config;
    private Path dataset;

    @BeforeEach
    void write() throws IOException {
        config = Files.writeString(folder.resolve("config.toml"), """
                pretrained_model_name_or_path = "%s/none.safetensors"
                network_module = "networks.lora"
                output_name = "two"
                max_train_steps = 12
                """.formatted(folder));
        dataset = Files.writeString(
                folder.resolve("dataset.toml"), """
                [[datasets]]
                resolution = 512
                batch_size = 3
                [[datasets.subsets]]
                image_dir = "%s"
                """.formatted(Files.createDirectories(folder.resolve("pictures"))));
        Files.createFile(folder.resolve("pictures/a.png"));
    }

    private static Converted converted(@Nullable String from, List<String> words) {
        TrainingWords given = new TrainingWords(words, null, from);
        return Objects.requireNonNull(given.converted(given.folder()));
    }

    private List<String> line() {
        return List.of(
                "accelerate",
                "launch",
                "sd-scripts/train_db.py",
                "--pretrained_model_name_or_path=" + folder + "/none.safetensors",
                "--dataset_config=" + dataset,
                "--max_train_steps=12");
    }

    @Test
    void theSecondOfTwoTomlFilesHasTheDataSets() {
        Converted converted = converted(null, List.of(config.toString(), dataset.toString()));

        assertThat(converted.training().at("/metadata/name").asText()).isEqualTo("two");
        assertThat(converted.training().at("/spec/training/steps").asInt()).isEqualTo(12);
        assertThat(converted.training().at("/spec/training/batchSize").asInt()).isEqualTo(3);
        assertThat(converted.training().at("/spec/datasets/0/uri").asText()).isEqualTo(folder + "/pictures");
    }

    @Test
    void twoTomlFilesAreRun() {
        Ran ran = Ran.of("prepare", config.toString(), dataset.toString(), "--workspace", folder + "/work");

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains("none.safetensors: must name a folder or file, but there is none");
    }

    @ParameterizedTest
    @ValueSource(strings = {"kohya", "train_db", "train_db.py"})
    void whatFromSaysOfACommandLineMayBeWhatThatSays(String from) {
        assertThat(converted(from, line())).isEqualTo(converted(null, line()));
    }

    @Test
    void pathsOfACommandLineBeginWhereItIsRun() {
        assertThat(new TrainingWords(line(), null, null).folder())
                .isEqualTo(Path.of("").toAbsolutePath());
        assertThat(new TrainingWords(List.of(config.toString(), dataset.toString()), null, null).folder())
                .isEqualTo(folder);
    }

    @ParameterizedTest
    @ValueSource(strings = {"eden", "fine_tune.py"})
    void whatFromSaysOfACommandLineMustNotBeSomethingElse(String from) {
        for (String command : List.of("run", "convert-config")) {
            List<String> arguments = new ArrayList<>(List.of(command, "--from", from, "--"));
            arguments.addAll(line());

            Ran ran = Ran.of(arguments.toArray(String[]::new));

            assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
            assertThat(ran.error())
                    .contains("--from must be unset, kohya or the script that the command line names, was " + from);
        }
    }

    @Test
    void filesThatAreTooManyAreNamed() {
        for (String command : List.of("run", "convert-config")) {
            Ran stray = Ran.of(command, config.toString(), "stray");
            Ran both = Ran.of(command, config.toString(), dataset.toString(), "-c", "other.toml");
            Ran none = Ran.of(command);

            assertThat(List.of(stray, both, none))
                    .allSatisfy(ran -> assertThat(ran.code()).isEqualTo(Reason.Usage.exitCode()));
            assertThat(stray.error()).contains("FILE must be given, once, but there are %s, stray".formatted(config));
            assertThat(both.error())
                    .contains("FILE must be given, once, but there are other.toml, %s, %s".formatted(config, dataset));
            assertThat(none.error()).contains("FILE must be given, once").doesNotContain("but there are");
        }
    }

    @Test
    void aCommandLineBesideAFileIsTooMuch() {
        TrainingWords both = new TrainingWords(line(), Path.of("other.toml"), null);

        assertThatThrownBy(() -> both.converted(folder))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.Usage))
                .hasMessage(
                        "FILE must be given, once, but there are other.toml, accelerate, launch, sd-scripts/train_db.py, %s and 2 more"
                                .formatted(line().get(3)));
    }
}
