package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.tensor.SafeTensors;

/** A DoRA from the configuration to its files, in one run that is gone on from. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class DoraRunTest {
    @TempDir
    Path folder;

    @Test
    void doraIsTrainedResumedWrittenExplainedAndDrawn() throws Exception {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 12, batchSize: 2, precision: Float32, checkpoints: {everySteps: 6}, adapter: {type: DoRA, rank: 2, textEncoder: true, targets: [Attention, Convolution]}, optimizer: {learningRate: 1e-2}");

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] whole = run.lora();
        run.interruptBefore(12);
        Ran again = run.run("run", "--attempt", "2");
        assertThat(again.code()).as(again.error()).isZero();

        assertThat(again.output() + again.error()).contains("going on from step 6 of 12");
        assertThat(run.lora()).isEqualTo(whole);
        Path kohya = run.workspace().resolve("output/tiny.safetensors");
        Path diffusers = run.workspace().resolve("output/diffusers/pytorch_lora_weights.safetensors");
        String query = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors base = SafeTensors.open(folder.resolve("base/unet/diffusion_pytorch_model.safetensors"));
                SafeTensors trained = SafeTensors.open(diffusers)) {
            NDArray frozen = base.read(query + ".weight", manager)
                    .square()
                    .sum(new int[] {1})
                    .sqrt();
            NDArray magnitude = trained.read("unet." + query + ".lora_magnitude_vector", manager);
            assertThat(magnitude.sub(frozen).abs().max().getFloat()).isGreaterThan(1e-3f);
        }
        for (Path file : new Path[] {kohya, diffusers}) {
            Ran inspected = Ran.of("inspect", file.toString());
            assertThat(inspected.output().replaceAll(" +", " "))
                    .contains(file.equals(kohya) ? "what a DoRA in kohya's form\n" : "what a DoRA in diffusers' form\n")
                    .contains("magnitudes of outputs, for "
                            + (file.equals(kohya) ? "ComfyUI\n" : "peft, LyCORIS and OneTrainer\n"));
        }
        Ran converted = Ran.of("export", kohya.toString(), "--to", "diffusers");
        assertThat(converted.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(converted.error()).contains("--to must be ").contains("is a DoRA");
        // One has multiples of the frozen weight's norm, the other of the adapted one's: a level may be rounded the
        // other way.
        assertThat(Pngs.difference(picture("kohya", kohya), picture("diffusers", diffusers)))
                .isLessThanOrEqualTo(1);
    }

    private byte[] picture(String name, Path lora) throws Exception {
        return Pngs.drawn(folder.resolve("base"), folder.resolve(name), "--lora", lora.toString());
    }
}
