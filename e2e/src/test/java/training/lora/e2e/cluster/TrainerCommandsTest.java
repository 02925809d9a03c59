package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.e2e.Documents;
import training.lora.e2e.ScratchCheckout;

/** The documents' commands that train on this machine; no cluster is needed, but some minutes. */
@Tag("cluster")
class TrainerCommandsTest {
    @Test
    void commandsTrainAndShowWhatCameOut(@TempDir Path dir) throws Exception {
        ScratchCheckout checkout =
                new ScratchCheckout(dir, "exec " + Scripts.HOME.resolve("bin/lora-trainer") + " \"$@\"\n", Map.of());
        String quick = Files.readString(Path.of("src/test/resources/quick.yaml"));
        Files.delete(dir.resolve("examples"));
        checkout.write("examples/blue-ink/training.yaml", quick.replace("name: quick", "name: blue-ink"));
        try {
            for (String command : Documents.at("trainer")) {
                ScratchCheckout.Result result = checkout.run(command);
                assertThat(result.code()).as("%s: %s", command, result.output()).isZero();
            }
        } finally {
            checkout.run("./demo down");
        }
        for (int demo = 1; demo <= 3; demo++) {
            assertThat(dir.resolve("demo-output/" + demo + "/manifest.json")).exists();
        }
        assertThat(Files.list(dir)).as("the sampled picture").anyMatch(f -> f.toString()
                .endsWith(".png"));
    }
}
