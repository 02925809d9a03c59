package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
import training.lora.trainer.export.ComfyWorkflowBuilder;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportProof;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.order.RunLengthBuilder;
import training.lora.trainer.train.optimizer.OptimizerSet;
import training.lora.trainer.trained.CheckpointFiles;
import training.lora.trainer.trained.TestRuns;
import training.lora.trainer.trained.TrainSummary;
import training.lora.trainer.trained.TrainSummaryBuilder;

class CheckpointsTest {
    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");

    private static final StableDiffusion MODEL = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), MANAGER);

    private static final LoraAdapter ADAPTER =
            LoraAdapter.create(MODEL.unet().projections(), new LoraSettings(2, 2, List.of("*.attn1.to_q")), 5, MANAGER);

    @TempDir
    Path train;

    private String inTheWay = "";

    @AfterAll
    static void close() {
        ADAPTER.close();
        MODEL.close();
        MANAGER.close();
    }

    private Checkpoints checkpoints() throws IOException {
        Checkpoints checkpoints = new Checkpoints(
                TestRuns.run("checkpoints: {keep: 2}"),
                RunLengthBuilder.builder()
                        .epochSamples(40)
                        .epochBatches(40)
                        .epochSteps(40)
                        .steps(1000)
                        .everySteps(250)
                        .build(),
                train,
                ExportMetadata.of("t", "base", MODEL, 64),
                kept -> {});
        checkpoints.restore(List.of());
        return checkpoints;
    }

    private static Trained trained() {
        return new TrainedAdapter(
                TestRuns.run("checkpoints: {keep: 2}"),
                ADAPTER,
                () -> ADAPTER,
                new OptimizerSet(),
                new ExportProof(MODEL, MANAGER),
                ComfyWorkflowBuilder.builder()
                        .baseModel("base")
                        .name("t")
                        .baseAdapters(List.of())
                        .embeddings(List.of())
                        .prompt(new PromptSpec("a bat", "", 1L))
                        .steps(20)
                        .guidance(5)
                        .strength(1)
                        .resolution(64)
                        .schedule(MODEL.schedule())
                        .lora("t.safetensors")
                        .build());
    }

    private Checkpoint write(Checkpoints checkpoints, int step) throws IOException {
        return checkpoints.write(step, trained(), List.of(Metric.of("loss", 1.0 / step)));
    }

    /** Folders of checkpoints, each of which must have its digests beside it. */
    private List<String> names() throws IOException {
        try (Stream<Path> all = Files.list(CheckpointFiles.folder(train))) {
            List<String> names =
                    all.map(f -> f.getFileName().toString()).sorted().toList();
            List<String> folders =
                    names.stream().filter(n -> !n.endsWith(".sha256")).toList();
            assertThat(names)
                    .containsExactlyInAnyOrderElementsOf(folders.stream()
                            .flatMap(n -> n.equals(inTheWay) ? Stream.of(n) : Stream.of(n, n + ".sha256"))
                            .toList());
            return folders;
        }
    }

    @Test
    void checkpointHoldsEveryFormThatWasAskedFor() throws IOException {
        write(checkpoints(), 10);

        assertThat(CheckpointFiles.folder(train).resolve("step-000010/t.safetensors"))
                .isRegularFile();
        assertThat(CheckpointFiles.folder(train).resolve("step-000010/diffusers/pytorch_lora_weights.safetensors"))
                .isRegularFile();
        Proof[] proofs = Json.MAPPER.readValue(
                CheckpointFiles.folder(train).resolve("step-000010/proof.json").toFile(), Proof[].class);
        assertThat(proofs)
                .extracting(Proof::file)
                .containsExactly("t.safetensors", "diffusers/pytorch_lora_weights.safetensors");
        assertThat(CheckpointFiles.folder(train).resolve("step-000010/workflow.json"))
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
        Files.createDirectories(CheckpointFiles.folder(train).resolve(".step-000030.tmp/diffusers"));

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
        inTheWay = "step-000020";
        Files.createDirectories(CheckpointFiles.folder(train).resolve("step-000020/in the way"));

        assertThatThrownBy(() -> write(checkpoints, 20)).isInstanceOf(IOException.class);

        assertThat(checkpoints.kept()).containsExactly(first);
        assertThat(names()).containsExactly("step-000010", "step-000020");
    }

    @Test
    void damagedCheckpointIsLeftOut() throws IOException {
        Checkpoints checkpoints = checkpoints();
        Checkpoint first = write(checkpoints, 10);
        Checkpoint second = write(checkpoints, 20);
        Path file = CheckpointFiles.folder(train).resolve("step-000020/diffusers/pytorch_lora_weights.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] ^= 1;
        Files.write(file, bytes);

        TrainSummaryBuilder.builder()
                .runId("r")
                .checkpoints(List.of(first, second))
                .baseModelDigest("d")
                .rollbacks(List.of())
                .fixedSetLoss(new TrainSummary.FixedSetLoss(2, 1))
                .device("cpu")
                .build()
                .write(train);
        assertThat(TrainSummary.read(train).checkpoints()).containsExactly(first);

        checkpoints.restore(List.of(first, second));
        assertThat(checkpoints.kept()).containsExactly(first);
        assertThat(names()).containsExactly("step-000010");

        Files.delete(CheckpointFiles.folder(train).resolve("step-000010/t.safetensors"));
        assertThatThrownBy(() -> TrainSummary.read(train))
                .hasMessage("a checkpoint in " + CheckpointFiles.folder(train)
                        + " must be whole, but all are damaged; `train` writes the last one again");
    }

    @Test
    void bestOnHeldOutPicturesIsKeptBeyondTheNewest() throws IOException {
        Checkpoints checkpoints = checkpoints();
        double[] losses = {0.5, 0.3, 0.4, 0.3, 0.45, 0.2, 0.6};
        List<List<String>> kept = new ArrayList<>();

        for (int i = 0; i < losses.length; i++) {
            checkpoints.write(i + 1, trained(), List.of(Metric.of("validationLoss", losses[i])));
            kept.add(names());
        }

        assertThat(kept)
                .containsExactly(
                        List.of("step-000001"),
                        List.of("step-000001", "step-000002"),
                        List.of("step-000002", "step-000003"),
                        List.of("step-000002", "step-000003", "step-000004"),
                        List.of("step-000002", "step-000004", "step-000005"),
                        List.of("step-000005", "step-000006"),
                        List.of("step-000006", "step-000007"));
    }
}
