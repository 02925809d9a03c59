package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.dataset.PreparedDataset;

/** Captions of which one is drawn at each step, from the folder to the losses. */
class WildcardsRunTest {
    private static final String[] WILDCARDS = {"--set", "preparation.captions.wildcards=true"};

    @TempDir
    Path folder;

    private void captions(String bat, String crab, String pear) throws IOException {
        Files.writeString(folder.resolve("data/bat.txt"), bat);
        Files.writeString(folder.resolve("data/crab.txt"), crab);
        Files.writeString(folder.resolve("data/pear.txt"), pear);
    }

    private static String losses(TinyRun run) throws IOException {
        return Files.readString(run.workspace().resolve("train/loss.jsonl"));
    }

    private static String trained(TinyRun run, String... options) throws IOException {
        for (String stage : new String[] {"prepare", "train"}) {
            Ran ran = run.run(stage, options);
            assertThat(ran.code()).as(ran.error()).isZero();
        }
        return losses(run);
    }

    @Test
    void trainingDrawsAmongThemFromTheSeedAlsoWhenItGoesOn() throws IOException {
        TinyRun drawn = TinyRun.create(
                folder,
                "steps: 4, precision: Float32, adapter: {rank: 2}, captions: {dropout: 0}, checkpoints: {everySteps: 2}, optimizer: {learningRate: 1e-3}");
        captions("a {red|blue} bat\nan animal", "a {crab|lobster}", "a pear");
        String losses = trained(drawn, WILDCARDS);
        byte[] lora = drawn.lora();
        assertThat(PreparedDataset.manifest(drawn.workspace().resolve("dataset"))
                        .samples()
                        .get(0))
                .satisfies(bat -> assertThat(bat.caption()).isEqualTo("a red bat"))
                .satisfies(bat -> assertThat(bat.variants()).containsExactly("a {red|blue} bat", "an animal"));

        drawn.unpublish();
        Files.delete(drawn.state(4));
        assertThat(drawn.states()).contains(2);
        assertThat(drawn.run("train", WILDCARDS).code()).isZero();
        assertThat(losses(drawn)).isEqualTo(losses);
        assertThat(drawn.lora()).isEqualTo(lora);

        captions("a red bat", "a crab", "a pear");
        assertThat(trained(drawn.in(folder.resolve("plain")))).isNotEqualTo(losses);
    }
}
