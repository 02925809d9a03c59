package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.PictureSizesBuilder;
import training.lora.trainer.tensor.SafeTensors;

class SdxlRunTest {
    @TempDir
    Path folder;

    @Test
    void sdxlIsPreparedTrainedAndSampled() throws Exception {
        TinyRun run = TinyRun.createXl(
                folder,
                "steps: 6, batchSize: 2, optimizer: {learningRate: 1e-2}, adapter: {rank: 2}",
                "{steps: 2, prompts: [{text: a cat, seed: 1}]}");

        Files.writeString(run.folder.resolve("data/bat.txt"), "an emoji of a bat that flies over the sea");

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                PreparedDataset data = PreparedDataset.open(run.workspace().resolve("dataset"));
                TextEmbedding text = data.textEmbedding(0, manager)) {
            assertThat(data.manifest().model()).isEqualTo("SDXL");
            assertThat(data.sizes())
                    .containsOnly(PictureSizesBuilder.builder()
                            .originalHeight(128)
                            .originalWidth(128)
                            .top(0)
                            .left(0)
                            .height(64)
                            .width(64)
                            .build());
            assertThat(text.context().getShape().getShape()).containsExactly(16, 44);
            assertThat(java.util.Objects.requireNonNull(text.pooled())
                            .getShape()
                            .getShape())
                    .containsExactly(20);
        }
        assertThat(Files.readString(run.workspace().resolve("output/run.log")))
                .contains("the caption of main/bat.png is longer than 14 tokens, and loses its end")
                .doesNotContain("the caption of main/crab.png")
                .containsSubsequence(
                        "measuring the loss over the fixed set of 32 items",
                        "drawing a picture of 64 pixels with the model alone",
                        "drawing a picture of 64 pixels with the adapter");
        Path trained = run.workspace().resolve("output/diffusers/pytorch_lora_weights.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors lora = SafeTensors.open(trained)) {
            List<String> ups = lora.entries().keySet().stream()
                    .filter(n -> n.endsWith("lora_B.weight"))
                    .toList();
            assertThat(ups).hasSize(17 * 8);
            assertThat(ups).allSatisfy(name -> assertThat(
                            lora.read(name, manager).abs().max().getFloat())
                    .as(name)
                    .isPositive());
        }
        assertThat(Files.isRegularFile(run.workspace().resolve("output/samples.png")))
                .isTrue();
    }
}
