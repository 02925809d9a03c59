package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import training.lora.e2e.Documents;
import training.lora.e2e.ScratchCheckout;

/** The documents' commands that train on this machine; no cluster is needed, but some minutes. */
@Tag("cluster")
@ExtendWith(TimeLeft.class)
class TrainerCommandsTest {
    @Test
    void commandsTrainAndShowWhatCameOut(@TempDir Path dir) throws Exception {
        String trainer = "exec " + Scripts.HOME.resolve("bin/lora-trainer") + " \"$@\"\n";
        String quick = Files.readString(Path.of("src/test/resources/quick.yaml"));
        try (ScratchCheckout checkout = new ScratchCheckout(dir, trainer, Map.of())) {
            Files.delete(dir.resolve("examples"));
            checkout.write(
                    "examples/blue-ink/training.yaml",
                    quick.replace("name: quick", "name: blue-ink")
                            .replace("steps: 4,", "steps: 4, precision: Float32,"));
            checkout.write(
                    "examples/eden/training_args.json",
                    Files.readString(Scripts.HOME.resolve("examples/eden/training_args.json"))
                            .replace("\"max_train_steps\": 200", "\"max_train_steps\": 4"));
            Files.createDirectories(dir.resolve("pictures/10_robot"));
            checkout.write(
                    "examples/textual-inversion/training.yaml",
                    Files.readString(Scripts.HOME.resolve("examples/textual-inversion/training.yaml"))
                            .replace("steps: 300", "steps: 4\n    checkpoints: {everySteps: 4}")
                            .replace("samplesPerPrompt: 2", "samplesPerPrompt: 1"));
            checkout.write(
                    "examples/full-fine-tuning/training.yaml",
                    Files.readString(Scripts.HOME.resolve("examples/full-fine-tuning/training.yaml"))
                            .replace("steps: 160", "steps: 4")
                            .replace("warmupSteps: 15", "warmupSteps: 1")
                            .replace("everySteps: 80", "everySteps: 4"));
            Files.createDirectories(dir.resolve("examples/bundled"));
            Files.createSymbolicLink(
                    dir.resolve("examples/bundled/robot"), Scripts.HOME.resolve("examples/bundled/robot"));
            for (String command : Documents.at("trainer")) {
                checkout.works(command);
            }
        }
        assertThat(dir.resolve("runs/robot/output/robot.safetensors")).exists();
        for (String name : new String[] {"blue-ink", "textual-inversion"}) {
            assertThat(dir.resolve("runs/both").resolve(name).resolve("output/manifest.json"))
                    .exists();
        }
        assertThat(dir.resolve("style.yaml")).content().contains("uri: pictures/10_robot");
        assertThat(dir.resolve("scores.json")).content().contains("training_image_alignment");
        assertThat(dir.resolve("robot.yaml")).content().contains("kind: LoraTraining");
        for (int demo = 1; demo <= 3; demo++) {
            assertThat(dir.resolve("demo-output/" + demo + "/manifest.json")).exists();
        }
        try (Stream<Path> files = Files.list(dir)) {
            assertThat(files).as("the sampled picture").anyMatch(f -> f.toString()
                    .endsWith(".png"));
        }
    }
}
