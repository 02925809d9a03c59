package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.PromptSpec;
import training.lora.api.Proof;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.export.ComfyWorkflow;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportProof;
import training.lora.trainer.model.StableDiffusion;

class CheckpointsTest {
    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");

    private static final StableDiffusion MODEL = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), MANAGER);

    private static final LoraAdapter ADAPTER =
            LoraAdapter.create(MODEL.unet().projections(), new LoraSettings(2, 2, List.of("*.attn1.to_q")), 5, MANAGER);

    @TempDir
    Path train;

    @AfterAll
    static void close() {
        ADAPTER.close();
        MODEL.close();
        MANAGER.close();
    }

    private Checkpoints checkpoints() throws IOException {
        Checkpoints checkpoints = new Checkpoints(
                TestRuns.run("checkpoints: {keep: 2}"),
                train,
                ExportMetadata.of("t", "base", MODEL, 64),
                new ExportProof(MODEL, MANAGER),
                new ComfyWorkflow("base", "t.safetensors", new PromptSpec("a bat", "", 1L), 20, 5, 64, false));
        checkpoints.restore(List.of());
        return checkpoints;
    }

    private Checkpoint write(Checkpoints checkpoints, int step) throws IOException {
        return checkpoints.write(step, ADAPTER, List.of(Metric.of("loss", 1.0 / step)));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> all = Files.list(Checkpoints.folder(train))) {
            return all.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void checkpointHoldsEveryFormThatWasAskedFor() throws IOException {
        write(checkpoints(), 10);

        assertThat(Checkpoints.folder(train).resolve("step-000010/t.safetensors"))
                .isRegularFile();
        assertThat(Checkpoints.folder(train).resolve("step-000010/diffusers/pytorch_lora_weights.safetensors"))
                .isRegularFile();
        Proof[] proofs = Json.MAPPER.readValue(
                Checkpoints.folder(train).resolve("step-000010/proof.json").toFile(), Proof[].class);
        assertThat(proofs)
                .extracting(Proof::file)
                .containsExactly("t.safetensors", "diffusers/pytorch_lora_weights.safetensors");
        assertThat(Checkpoints.folder(train).resolve("step-000010/workflow.json"))
                .isRegularFile();
    }

    @Test
    void newestAreKept() throws IOException {
        Checkpoints checkpoints = checkpoints();

        Checkpoint first = write(checkpoints, 10);
        Checkpoint second = write(checkpoints, 20);
        assertThat(checkpoints.kept()).containsExactly(first, second);

        Checkpoint third = write(checkpoints, 30);
        assertThat(checkpoints.kept()).containsExactly(second, third);
        assertThat(names()).containsExactly("step-000020", "step-000030");
    }

    @Test
    void whatWasWrittenAfterAStateIsDeletedWhenTheRunGoesBackToIt() throws IOException {
        Checkpoints before = checkpoints();
        Checkpoint first = write(before, 10);
        write(before, 20);
        Files.createDirectories(Checkpoints.folder(train).resolve(".step-000030.tmp/diffusers"));

        Checkpoints after = checkpoints();
        write(after, 10);
        after.restore(List.of(first));

        assertThat(after.kept()).containsExactly(first);
        assertThat(names()).containsExactly("step-000010");
    }

    @Test
    void nothingIsLeftOfACheckpointThatCantBeWritten() throws IOException {
        Checkpoints checkpoints = checkpoints();
        Checkpoint first = write(checkpoints, 10);
        Files.createDirectories(Checkpoints.folder(train).resolve("step-000020/in the way"));

        assertThatThrownBy(() -> write(checkpoints, 20)).isInstanceOf(IOException.class);

        assertThat(checkpoints.kept()).containsExactly(first);
        assertThat(names()).containsExactly("step-000010", "step-000020");
    }
}
