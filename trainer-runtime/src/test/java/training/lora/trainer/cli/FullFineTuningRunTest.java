package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.SingleGoldens;

/** Whole runs that train a model's own weights. */
@Timeout(value = 240, unit = TimeUnit.SECONDS)
class FullFineTuningRunTest {
    private static final String TRAINING =
            "method: FullFineTuning, steps: 4, batchSize: 2, checkpoints: {everySteps: 2}, optimizer: {type: Adafactor, learningRate: 1e-3}";

    @TempDir
    Path folder;

    private TinyRun run(String base, String training) throws IOException {
        return TinyRun.create(
                folder,
                "baseModel: {uri: %s}\n  preparation: {resolution: 64}".formatted(base),
                training,
                "{steps: 2, prompts: [{text: a cat, seed: 1}]}",
                "{clip: {uri: %s}}"
                        .formatted(Goldens.BUNDLED.resolve("emoji-clip").toAbsolutePath()));
    }

    private byte[] drawn(Path base, String name) throws IOException {
        return Pngs.drawn(base, folder.resolve(name));
    }

    @ParameterizedTest
    @CsvSource({"tiny-sd15, Float32", "tiny-sd15, BFloat16", "tiny-sdxl, BFloat16"})
    void modelIsWrittenInBothFormsAndAnInterruptedRunGivesTheSameBits(String model, String precision)
            throws IOException {
        SingleGoldens.writeFolder(model, folder.resolve("model"));
        TinyRun run = run("model", TRAINING + ", precision: " + precision);
        Path output = run.workspace().resolve("output");

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] once = run.lora();
        assertThat(Json.MAPPER
                        .readTree(output.resolve("evaluation.json").toFile())
                        .get("checkpoints"))
                .hasSize(2);
        run.interruptBefore(4);
        Ran again = run.run("run", "--attempt", "2");
        assertThat(again.code()).as(again.error()).isZero();

        assertThat(again.output() + again.error()).contains("going on from step 2 of 4");
        assertThat(run.lora()).isEqualTo(once);
        byte[] fromFile = drawn(output.resolve(TinyRun.NAME + ".safetensors"), "file");
        assertThat(fromFile).isEqualTo(drawn(output.resolve("diffusers"), "folder"));
        assertThat(fromFile).isNotEqualTo(drawn(folder.resolve("model"), "base"));
    }

    @Test
    void singleFilesModelIsWrittenAsOneAndAFolderOfItIsRefused() throws IOException {
        SingleGoldens.writeFile("tiny-sd15", folder.resolve("model.safetensors"));
        TinyRun run = run("model.safetensors", TRAINING);

        Ran refused = run.run("run");
        boolean prepared = Files.exists(run.workspace().resolve("dataset"));
        Ran ended = run.run("run", "--set", "output.formats=[Kohya]");

        assertThat(refused.code()).isEqualTo(10);
        assertThat(refused.error()).contains("`spec.output.formats` must be [Kohya] with FullFineTuning");
        assertThat(prepared).as("before anything is encoded").isFalse();
        assertThat(run.workspace().resolve("dataset")).isDirectory();
        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(drawn(run.workspace().resolve("output").resolve(TinyRun.NAME + ".safetensors"), "file"))
                .isNotEqualTo(drawn(folder.resolve("model.safetensors"), "base"));
    }
}
