package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;

/** {@code inspect} of what runs leave. */
class InspectedRunTest {
    private static final String UNPUBLISHED =
            "%s must be a run's workspace with its output inside, but there is none: the run has not ended, or publishes elsewhere, to what --output or `spec.output.uri` names";

    @TempDir
    Path folder;

    private static String refused(Path place) {
        Ran ran = Ran.of("inspect", place.toString());
        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        String begins = "lora-trainer: ";
        return ran.error()
                .lines()
                .filter(line -> line.startsWith(begins))
                .map(line -> line.substring(begins.length()))
                .collect(Collectors.joining());
    }

    @Test
    void theWorkspaceOfARunThatPublishedElsewhereIsToldFromAModel() throws IOException {
        TinyRun tiny = TinyRun.create(folder, "steps: 2, checkpoints: {everySteps: 2}, watchdog: {enabled: false}");
        Path output = folder.resolve("elsewhere");

        assertThat(tiny.run("prepare", "--output", output.toString()).code()).isZero();
        String prepared = refused(tiny.workspace());
        assertThat(tiny.run("train", "--output", output.toString()).code()).isZero();
        String trained = refused(tiny.workspace());

        assertThat(prepared).isEqualTo(UNPUBLISHED.formatted(tiny.workspace()));
        assertThat(trained)
                .isEqualTo(UNPUBLISHED.formatted(tiny.workspace()) + "; files of checkpoints are below "
                        + tiny.workspace().resolve("train/checkpoints"));
        assertThat(Ran.of("inspect", output.toString()).output()).contains("tiny.safetensors");
    }

    @Test
    void aWorkspaceWhoseFirstStageNeverEndedIsOne() throws IOException {
        Path work = Files.createDirectories(folder.resolve("work"));
        Files.createFile(work.resolve(".lock"));
        Files.createFile(work.resolve("run.log"));

        assertThat(refused(work)).isEqualTo(UNPUBLISHED.formatted(work));
    }

    @Test
    void anOutputThatIsNotWholeYetIsToldFromAModel() throws IOException {
        Path output = Files.createDirectories(folder.resolve("work/output"));
        Files.writeString(output.resolve(".publishing.json"), "{}");
        String sentence = output
                + " must be the output of a run that has ended, but this one's has not: the command that began it"
                + " goes on";

        assertThat(refused(output)).isEqualTo(sentence);
        assertThat(refused(folder.resolve("work"))).isEqualTo(sentence);
    }

    @Test
    void aModelInWhoseFolderARunWorkedIsAModel() throws IOException {
        TinyRun.copyTree(Goldens.BUNDLED.resolve("emoji-sd"), folder);
        Files.createFile(folder.resolve("run.log"));
        Files.createDirectories(folder.resolve("results"));

        assertThat(Ran.of("inspect", folder.toString()).output()).contains("a base model, family SD15");
    }
}
