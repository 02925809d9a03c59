package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.sample.Picture;

/** Eden's training_args.json on the command line, trained and converted. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class EdenRunTest {
    private static final Path ODD = Path.of("src/test/resources/pictures");

    @TempDir
    Path folder;

    private Path file;

    @BeforeEach
    void aFileOfTwoSteps() throws IOException {
        String example = Files.readString(Path.of("../examples/eden/training_args.json"));
        file = Files.writeString(
                folder.resolve("training_args.json"),
                example.replace("\"max_train_steps\": 200", "\"max_train_steps\": 2")
                        .replace("\"n_sample_imgs\": 4", "\"n_sample_imgs\": 1, \"validation_img_size\": 64"));
    }

    private static Ran run(String... arguments) {
        return Ran.of(
                name -> name.equals("LORA_BUNDLED")
                        ? Goldens.BUNDLED.toAbsolutePath().normalize().toString()
                        : System.getenv(name),
                arguments);
    }

    @Test
    void itTrainsAsItIs() throws IOException {
        Path work = folder.resolve("work");

        Ran ran =
                run("run", "-c", file.toString(), "--workspace", work.toString(), "--set", "evaluation.enabled=false");

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(work.resolve("output/robot.safetensors")).isNotEmptyFile();
        try (Stream<Path> samples = Files.walk(work.resolve("train/samples"))) {
            assertThat(samples.filter(f -> f.toString().endsWith(".png")).map(f -> Picture.read(f)))
                    .isNotEmpty()
                    .allMatch(picture -> picture.width() == 64 && picture.height() == 64);
        }
        requireScores(work.resolve("output"));
    }

    /** As Eden's script is called. */
    private void requireScores(Path checkpoint) throws IOException {
        Path learned = Files.createDirectories(folder.resolve("learned"));
        try (Stream<Path> files = Files.list(Goldens.BUNDLED.resolve("robot"))) {
            for (Path file : files.filter(f -> f.toString().endsWith(".png")).toList()) {
                Files.copy(file, learned.resolve(file.getFileName()));
            }
        }
        // Prepare reads two of them and passes over the third.
        Files.copy(ODD.resolve("still.gif"), learned.resolve("b.gif"));
        Files.copy(ODD.resolve("animated.webp"), learned.resolve("c.webp"));
        Files.writeString(learned.resolve("._b.png"), "none");
        Path pictures = folder.resolve("pictures");
        Path json = folder.resolve("scores/scores.json");

        Ran ran = run(
                "evaluate",
                "--config_filename",
                file.toString(),
                "--checkpoint_folder",
                checkpoint.toString(),
                "--output_json",
                json.toString(),
                "--output_folder",
                pictures.toString(),
                "--training_images_folder",
                learned.toString(),
                "--set",
                "sampling.steps=2");

        assertThat(ran.code()).as(ran.error()).isZero();
        for (int i = 0; i < 4; i++) {
            assertThat(pictures.resolve(i + ".jpg")).isNotEmptyFile();
        }
        for (String readable : List.of("b.gif.png", "c.webp.png")) {
            assertThat(Picture.read(pictures.resolve("work/pictures/" + readable))
                            .width())
                    .isPositive();
        }
        JsonNode scores = Json.MAPPER.readTree(json.toFile());
        assertThat(scores.fieldNames())
                .toIterable()
                .containsExactlyInAnyOrder(
                        "sd_model_version",
                        "checkpoint_folder",
                        "concept_mode",
                        "output_folder",
                        "training_images_folder",
                        "scores");
        assertThat(scores.path("concept_mode").asText()).isEqualTo("object");
        JsonNode numbers = scores.path("scores");
        assertThat(numbers.path("clip_diversity").asDouble()).isBetween(0.001, 1.0);
        assertThat(numbers.path("image_text_alignment").asDouble())
                .isBetween(-1.0, 1.0)
                .isNotZero();
        assertThat(numbers.path("training_image_alignment").asDouble())
                .isBetween(-1.0, 1.0)
                .isNotZero();
        assertThat(numbers.path("aesthetic_score").isNull()).isTrue();
    }

    @Test
    void edensArgumentsBelongTogether() {
        Ran ran = run("evaluate", "--config_filename", file.toString(), "--output_json", "scores.json");

        assertThat(ran.code()).isEqualTo(Reason.Usage.exitCode());
        assertThat(ran.error()).contains("--checkpoint_folder must be given with Eden's other options");
    }

    @Test
    void whatItIsConvertedToIsTheSameRun() throws IOException {
        Path yaml = folder.resolve("converted/robot.yaml");
        Files.createDirectories(yaml.getParent());

        Ran converted = run("convert-config", file.toString(), "-o", yaml.toString());
        Ran prepared = run(
                "prepare", yaml.toString(), "--workspace", folder.resolve("a").toString());
        Ran direct = run(
                "prepare", file.toString(), "--workspace", folder.resolve("b").toString());

        assertThat(converted.code()).as(converted.error()).isZero();
        assertThat(converted.output()).contains(yaml.toString());
        assertThat(prepared.code()).as(prepared.error()).isZero();
        assertThat(direct.code()).as(direct.error()).isZero();
        List<String> runs = new ArrayList<>();
        for (String name : List.of("a", "b")) {
            String result = Files.readString(folder.resolve(name).resolve("results/prepare/result.json"));
            runs.add(result.replaceAll("(?s).*\"runId\" : \"([^\"]+)\".*\"datasetDigest\" : \"([^\"]+)\".*", "$1 $2"));
        }
        assertThat(runs.get(0)).matches("\\S+ [0-9a-f]+").isEqualTo(runs.get(1));
    }

    @Test
    void whatIsWrongIsSaidInItsWords() throws IOException {
        Path wrong = folder.resolve("wrong.json");
        Files.writeString(wrong, Files.readString(file).replace("\"lora_rank\": 16", "\"lora_rank\": 4096"));

        for (String command : List.of("run", "convert-config")) {
            Ran ran = run(command, wrong.toString());

            assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
            assertThat(ran.error())
                    .contains(wrong + ": `lora_rank` (spec.training.adapter.rank) must be at most 1024, was 4096");
        }
    }

    @Test
    void whatCannotBeReadIsSaidWithItsLine() throws IOException {
        Path comma = Files.writeString(folder.resolve("comma.json"), "{\n\"lora_rank\": 4,\n}");
        Path tab = Files.writeString(folder.resolve("tab.yaml"), "job: extension\n\tconfig: 1\n");
        Path script = Files.writeString(folder.resolve("train.sh"), "echo 1\n");

        for (String command : List.of("convert-config", "run")) {
            Ran ran = run(command, comma.toString());

            assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
            assertThat(ran.error()).contains(comma + " must be JSON: ").contains("line 3");
        }
        assertThat(run("convert-config", tab.toString()).error())
                .contains(tab + " must be YAML: ")
                .contains("line 2");
        assertThat(run("convert-config", script.toString()).error())
                .contains(script + " must end with .json, .toml or .yaml, or have a command line of train_network.py");
        assertThat(run("convert-config", folder.resolve("none.json").toString()).error())
                .contains("none.json must be a file");
    }

    @Test
    void whatIsNotHereIsSaidBeforeAnythingIsDownloaded() {
        Ran prepared = run(
                "prepare",
                file.toString(),
                "--workspace",
                folder.resolve("work").toString(),
                "--set",
                "baseModel.uri=none.safetensors",
                "--set",
                "evaluation.clip.uri=http://127.0.0.1:9/clip.zip");

        assertThat(prepared.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(prepared.error()).contains("none.safetensors").doesNotContain("127.0.0.1");
    }

    @Test
    void aCommandLineOfKohyasIsRunAsAFileIs() {
        Ran prepared = run(
                "prepare",
                "--workspace",
                folder.resolve("work").toString(),
                "--",
                "accelerate",
                "launch",
                "train_network.py",
                "--pretrained_model_name_or_path=none.safetensors",
                "--train_data_dir",
                folder.toString(),
                "--resolution",
                "100");
        Ran two = run("prepare", file.toString(), file.toString());

        assertThat(prepared.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(prepared.error()).contains("the command line: ");
        assertThat(two.code()).isEqualTo(Reason.Usage.exitCode());
        assertThat(two.error()).contains("FILE must be given, once");
    }

    @Test
    void aConfigurationOfAnotherTrainersIsNotEdens() throws IOException {
        Path kohya = Files.writeString(folder.resolve("k.toml"), "pretrained_model_name_or_path = \"a/b\"\n");
        Path lora = Files.createFile(folder.resolve("a.safetensors"));

        Ran ran = run(
                "evaluate",
                "--config_filename",
                kohya.toString(),
                "--checkpoint_folder",
                lora.toString(),
                "--output_json",
                folder.resolve("scores.json").toString(),
                "--output_folder",
                folder.resolve("pictures").toString(),
                "--training_images_folder",
                Goldens.BUNDLED.resolve("robot").toString());

        assertThat(ran.error())
                .contains("--config_filename must be Eden's training_args.json, but %s is a configuration of kohya"
                        .formatted(kohya));
    }

    @Test
    void aTrainingCalledJsonMayBeYaml() throws IOException {
        Path training = Files.writeString(folder.resolve("training.json"), """
                # A comment.
                {"apiVersion": "lora.training/v1alpha1", "kind": "LoraTraining", "metadata": {"name": "robot"},
                 "spec": {"baseModel": {"uri": "nowhere"}, "datasets": [{"uri": "nowhere"}],},}
                """);

        assertThat(run("run", training.toString()).error()).contains("`spec.baseModel.uri` nowhere: must name");
    }

    @Test
    void theFolderOfWhatIsConvertedIsMade() {
        Path yaml = folder.resolve("new/folder/robot.yaml");

        Ran converted = run("convert-config", file.toString(), "-o", yaml.toString());

        assertThat(converted.code()).as(converted.error()).isZero();
        assertThat(yaml).isNotEmptyFile();
    }

    @Test
    void whatIsOfNoToolIsRefused() throws IOException {
        Path other = Files.writeString(folder.resolve("other.json"), "{\"learning\": 1}");

        Ran converted = run("convert-config", other.toString());
        Ran named = run("convert-config", "--from", "invoke", file.toString());
        Ran ran = run("run", other.toString());

        assertThat(converted.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(converted.error()).contains(other + " must have keys of eden, kohya, onetrainer or ai-toolkit");
        assertThat(named.error())
                .contains(
                        "--from must be one of eden, kohya, onetrainer, ai-toolkit, or one of kohya's train_network.py, sdxl_train_network.py, fine_tune.py, train_db.py, sdxl_train.py, train_textual_inversion.py or sdxl_train_textual_inversion.py, was invoke");
        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains(other + " must be a LoraTraining with a spec");
    }
}
