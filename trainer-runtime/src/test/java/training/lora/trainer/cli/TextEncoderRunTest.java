package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.trained.TrainSummary;

/** Runs that train text encoders, from the configuration to what their files do. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class TextEncoderRunTest {
    @TempDir
    Path folder;

    /** Names of the factors B that are not zero. */
    private static List<String> moved(Path file, String up) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors lora = SafeTensors.open(file)) {
            return lora.entries().keySet().stream()
                    .filter(name -> name.endsWith(up))
                    .filter(name -> lora.read(name, manager).abs().max().getFloat() > 0)
                    .toList();
        }
    }

    private static Path kohya(TinyRun run) {
        return run.workspace().resolve("output/tiny.safetensors");
    }

    private static Path diffusers(TinyRun run) {
        return run.workspace().resolve("output/diffusers/pytorch_lora_weights.safetensors");
    }

    private static void succeeds(TinyRun run, String command, String... more) {
        Ran ended = run.run(command, more);
        assertThat(ended.code()).as(ended.error()).isZero();
    }

    private byte[] picture(TinyRun run, String name, String... more) throws IOException {
        return Pngs.drawn(run.folder.resolve("base"), folder.resolve(name), more);
    }

    @Test
    void textEncoderIsTrainedWrittenInBothFormsAndExplained() throws Exception {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 8, batchSize: 2, watchdog: {enabled: false}, captions: {dropout: 0.2}, adapter: {rank: 2, textEncoder: true, targets: [Attention, FeedForward]}, optimizer: {learningRate: 1e-2, textEncoderLearningRate: 5e-3}");

        succeeds(run, "run");

        String layer = "text_model.encoder.layers.1.";
        assertThat(moved(kohya(run), "lora_up.weight").stream().filter(n -> n.startsWith("lora_te_")))
                .hasSize(2 * 6)
                .contains(
                        "lora_te_text_model_encoder_layers_1_self_attn_out_proj.lora_up.weight",
                        "lora_te_text_model_encoder_layers_1_mlp_fc1.lora_up.weight");
        assertThat(moved(diffusers(run), "lora_B.weight").stream().filter(n -> n.startsWith("text_encoder.")))
                .hasSize(2 * 6)
                .contains("text_encoder." + layer + "mlp.fc2.lora_B.weight");
        try (SafeTensors file = SafeTensors.open(kohya(run))) {
            assertThat(file.metadata())
                    .containsEntry("ss_text_encoder_lr", "0.005")
                    .containsEntry("ss_unet_lr", "0.01");
        }
        Ran inspected = Ran.of("inspect", diffusers(run).toString());
        assertThat(inspected.output()).containsPattern("text_encoder +12 modules, ");
        Path exported = folder.resolve("exported.safetensors");
        assertThat(Ran.of("export", kohya(run).toString(), "--to", "Diffusers", "--out", exported.toString())
                        .code())
                .isZero();
        assertThat(moved(exported, "lora_B.weight")).containsExactlyElementsOf(moved(diffusers(run), "lora_B.weight"));
    }

    @Test
    void bothTextEncodersOfXlAreTrainedOnLongCaptionsInBFloat16() throws Exception {
        TinyRun run = TinyRun.createXl(
                folder,
                "steps: 6, gradientAccumulation: 2, watchdog: {enabled: false}, captions: {maxTokens: 150, clipSkip: 1, dropout: 0}, adapter: {rank: 2, textEncoder: true, dropout: 0.1}, optimizer: {learningRate: 1e-2}",
                "{steps: 2, prompts: [{text: a cat, seed: 1}]}");

        succeeds(run, "run");

        List<String> moved = moved(kohya(run), "lora_up.weight");
        // Of the first encoder's 3 layers 2 are skipped; the second's 4 are all read by the pooled embedding.
        assertThat(moved.stream().filter(n -> n.startsWith("lora_te1_"))).hasSize(4);
        assertThat(moved.stream().filter(n -> n.startsWith("lora_te2_"))).hasSize(4 * 4);
        assertThat(run.workspace().resolve("output/samples.png")).isRegularFile();
    }

    @Test
    void textEncoderAloneLowersTheLossAndChangesPictures() throws Exception {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 40, batchSize: 2, precision: Float32, captions: {dropout: 0}, adapter: {rank: 8, textEncoder: true, targets: ['text_encoder.*']}, optimizer: {learningRate: 1e-2, schedule: {type: Constant}}");

        succeeds(run, "run");

        assertThat(moved(kohya(run), "lora_up.weight")).hasSize(2 * 6).allMatch(n -> n.startsWith("lora_te_"));
        TrainSummary.FixedSetLoss loss = Objects.requireNonNull(
                TrainSummary.read(run.workspace().resolve("train")).fixedSetLoss());
        assertThat(loss.after()).isLessThan(loss.before());
        byte[] kohya = picture(run, "kohya", "--lora", kohya(run).toString());
        assertThat(kohya).isNotEqualTo(picture(run, "base"));
        assertThat(picture(run, "diffusers", "--lora", diffusers(run).toString()))
                .isEqualTo(kohya);
    }

    @Test
    void killedTrainingOfTextEncodersComesToTheSameBits() throws Exception {
        String training =
                "steps: 32, batchSize: 2, checkpoints: {everySteps: 4}, captions: {dropout: 0.3, shuffle: true}, adapter: {rank: 4, dropout: 0.1, textEncoder: true}, optimizer: {type: Prodigy, textEncoderLearningRate: 0.5}";
        TinyRun whole = TinyRun.create(folder, training);
        TinyRun killed = whole.in(folder.resolve("killed"));
        succeeds(whole, "prepare");
        succeeds(killed, "prepare");
        succeeds(whole, "train");
        Process process = killed.start("train");
        try {
            while (process.isAlive() && killed.states().stream().noneMatch(step -> step >= 8)) {
                TimeUnit.MILLISECONDS.sleep(1);
            }
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(process.exitValue()).as(Files.readString(killed.log())).isEqualTo(128 + 9);

        succeeds(killed, "train", "--attempt", "2");

        assertThat(moved(kohya(whole), "lora_up.weight")).anyMatch(n -> n.startsWith("lora_te_"));
        assertThat(killed.lora()).isEqualTo(whole.lora());
        assertThat(Files.readString(killed.workspace().resolve("train/loss.jsonl")))
                .isEqualTo(Files.readString(whole.workspace().resolve("train/loss.jsonl")));
    }

    @Test
    void trainingGoesOnFromAFileOfTextEncodersOnlyWhereTheseAreTrained() throws Exception {
        TinyRun first = TinyRun.create(
                Files.createDirectories(folder.resolve("first")),
                "steps: 4, watchdog: {enabled: false}, adapter: {rank: 2, textEncoder: true}, optimizer: {learningRate: 1e-2}");
        succeeds(first, "run");
        TinyRun next = TinyRun.create(
                Files.createDirectories(folder.resolve("next")),
                "steps: 1, watchdog: {enabled: false}, adapter: {rank: 4}, optimizer: {learningRate: 1e-9}, initFrom: {uri: '%s'}"
                        .formatted(kohya(first)));

        Ran refused = next.run("prepare");
        succeeds(next, "run", "--set", "training.adapter.textEncoder=true");

        assertThat(refused.code()).isEqualTo(10);
        assertThat(refused.error())
                .contains(
                        "`spec.training.adapter.textEncoder` must be true where `spec.training.initFrom` adapts text");
        byte[] trained = picture(first, "first-lora", "--lora", kohya(first).toString());
        // Not to the last bit: a product over four columns, of which two are zero, may be rounded otherwise than over
        // two.
        assertThat(Pngs.difference(picture(next, "next", "--lora", kohya(next).toString()), trained))
                .isLessThanOrEqualTo(2);
        assertThat(Pngs.difference(picture(first, "first-base"), trained)).isGreaterThan(20);
    }

    @Test
    void targetsWithoutAModuleOfTheTextEncodersAreRefused() throws Exception {
        TinyRun run = TinyRun.create(folder, "steps: 4, adapter: {rank: 2, textEncoder: true, targets: [Convolution]}");

        Ran ended = run.run("prepare");

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("`spec.training.adapter.targets` must match a module of the text encoders where `textEncoder`"
                        + " is true, but [Convolution] match none");
    }
}
