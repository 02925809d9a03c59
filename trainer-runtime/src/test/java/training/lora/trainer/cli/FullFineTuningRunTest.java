package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.Proof;
import training.lora.trainer.Goldens;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.basemodel.SingleGoldens;
import training.lora.trainer.tensor.SafeTensors;

/** Whole runs that train a model's own weights. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class FullFineTuningRunTest {
    private static final String TRAINING =
            "method: FullFineTuning, steps: 4, batchSize: 2, checkpoints: {everySteps: 2}, optimizer: {type: Adafactor, learningRate: 1e-3}";

    /** Of one picture of each checkpoint. */
    private static final String MEASURED = "{clip: {uri: %s}, prompts: [{text: a cat, seed: 1}]}"
            .formatted(Goldens.BUNDLED.resolve("emoji-clip").toAbsolutePath());

    @TempDir
    Path folder;

    private TinyRun run(String base, String training, String evaluation) throws IOException {
        return TinyRun.create(
                folder,
                "baseModel: {uri: %s}\n  preparation: {resolution: 64}".formatted(base),
                training,
                "{steps: 2, prompts: [{text: a cat, seed: 1}]}",
                evaluation);
    }

    /** Of the model in one file, whose losses over fixed sets and whose checkpoints nothing measures. */
    private TinyRun unmeasured(String training) throws IOException {
        return run("model.safetensors", training + ", watchdog: {enabled: false}", "{enabled: false}");
    }

    private byte[] drawn(Path base, String name) throws IOException {
        return Pngs.drawn(base, folder.resolve(name));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "tiny-sd15 | learningRate: 1e-3 | precision: Float32",
                "tiny-sd15 | learningRate: 1e-3 | precision: BFloat16, adapter: {textEncoder: true}, watchdog: {enabled: false}",
                "tiny-sdxl | learningRate: 1e-3 | precision: BFloat16, ema: {decay: 0.6}, watchdog: {enabled: false}",
                "tiny-sdxl | learningRate: 1e-3, textEncoderStopFraction: 0.5 | precision: BFloat16, adapter: {textEncoder: true}, ema: {decay: 0.6}, fullFineTuning: {bf16Weights: Fp32Master}"
            })
    void modelIsWrittenInBothFormsAndAnInterruptedRunGivesTheSameBits(String model, String optimizer, String fields)
            throws IOException {
        SingleGoldens.writeFolder(model, folder.resolve("model"));
        TinyRun run = run("model", TRAINING.replace("learningRate: 1e-3", optimizer) + ", " + fields, MEASURED);
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
        assertProven(output, fields.contains("textEncoder") ? model.equals("tiny-sdxl") ? 2 : 1 : 0);
    }

    /** That each file of weights that were trained, {@code encoders} of them text encoders', has its proof. */
    private static void assertProven(Path output, int encoders) throws IOException {
        List<String> names = new ArrayList<>(
                List.of(TinyRun.NAME + ".safetensors", "diffusers/unet/diffusion_pytorch_model.safetensors"));
        List.of("diffusers/text_encoder/model.safetensors", "diffusers/text_encoder_2/model.safetensors")
                .subList(0, encoders)
                .forEach(names::add);

        List<Proof> proofs =
                List.of(Json.MAPPER.readValue(output.resolve("proof.json").toFile(), Proof[].class));

        assertThat(proofs).extracting(Proof::file).containsExactlyInAnyOrderElementsOf(names);
        for (Proof proof : proofs) {
            assertThat(proof.sha256()).as(proof.file()).isEqualTo(Sha256.of(output.resolve(proof.file())));
        }
    }

    @Test
    void singleFilesModelIsWrittenInBothForms() throws IOException {
        SingleGoldens.writeFile("tiny-sd15", folder.resolve("model.safetensors"));
        TinyRun run = unmeasured(TRAINING);
        Path output = run.workspace().resolve("output");

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] fromFile = drawn(output.resolve(TinyRun.NAME + ".safetensors"), "file");
        assertThat(fromFile).isEqualTo(drawn(output.resolve("diffusers"), "folder"));
        assertThat(fromFile).isNotEqualTo(drawn(folder.resolve("model.safetensors"), "base"));
    }

    /** A single file has no tokenizer, and readers take CLIP's. */
    @Test
    void singleFileOfAModelWithItsOwnVocabularyIsSaidToBeOfLittleUse() throws IOException {
        TinyRun run = TinyRun.create(
                folder,
                "baseModel: {uri: '%s'}"
                        .formatted(BundledRun.MODEL.toAbsolutePath().normalize()),
                TRAINING.replace("steps: 4", "steps: 2") + ", watchdog: {enabled: false}",
                "{enabled: false}",
                "{enabled: false}");

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        String file = TinyRun.NAME + ".safetensors";
        assertThat(ended.output() + ended.error())
                .contains(file + " will be of little use")
                .contains("take the folder diffusers/");
        assertThat(Ran.of(
                                "inspect",
                                run.workspace().resolve("output").resolve(file).toString())
                        .output())
                .contains("take the model's diffusers folder");
    }

    /** What is in {@code after} and not, with the same numbers, in {@code before}. */
    private static Set<String> moved(Path before, Path after) {
        Set<String> moved = new TreeSet<>();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors old = SafeTensors.open(before);
                SafeTensors now = SafeTensors.open(after)) {
            now.entries().keySet().forEach(name -> {
                if (!old.read(name, manager).equals(now.read(name, manager))) {
                    moved.add(name);
                }
            });
        }
        return moved;
    }

    /** SDXL reads the first encoder's last layer but one, and of the second's last the pooled text alone. */
    @Test
    void textEncodersMoveAtTheirOwnRateAndTimeAndLieInTheFileAsTheBaseModelsDo() throws IOException {
        Path base = folder.resolve("model.safetensors");
        SingleGoldens.writeFile("tiny-sdxl", base);
        TinyRun run = unmeasured(
                "method: FullFineTuning, steps: 4, batchSize: 2, precision: Float32, checkpoints: {everySteps: 4}, adapter: {textEncoder: true}, optimizer: {type: Adafactor, learningRate: 1e-3, startFraction: 0.99}");
        Path file = run.workspace().resolve("output").resolve(TinyRun.NAME + ".safetensors");

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();

        Set<String> moved = moved(base, file);
        assertThat(moved)
                .isNotEmpty()
                .allSatisfy(name -> assertThat(name).startsWith("conditioner.embedders."))
                .contains(
                        "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight",
                        "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
                        "conditioner.embedders.1.model.transformer.resblocks.1.attn.in_proj_weight",
                        "conditioner.embedders.1.model.text_projection")
                .doesNotContain(
                        "conditioner.embedders.0.transformer.text_model.encoder.layers.1.mlp.fc1.weight",
                        "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight");
        assertThat(drawn(file, "file")).isNotEqualTo(drawn(base, "base"));
        try (SafeTensors written = SafeTensors.open(file)) {
            assertThat(written.metadata()).containsEntry("ss_text_encoder_lr", "0.001");
        }
    }

    @Test
    void picturesAndFilesAreOfTheAverage() throws IOException {
        SingleGoldens.writeFile("tiny-sd15", folder.resolve("model.safetensors"));
        TinyRun plain = unmeasured(TRAINING);
        TinyRun averaged = plain.in(folder.resolve("averaged"));

        Ran first = plain.run("run");
        Ran second = averaged.run("run", "--set", "training.ema.decay=0.9999");

        assertThat(first.code()).as(first.error()).isZero();
        assertThat(second.code()).as(second.error()).isZero();
        // They were trained alike; what is put out is another.
        assertThat(losses(averaged)).isEqualTo(losses(plain));
        assertThat(averaged.lora()).isNotEqualTo(plain.lora());
        assertThat(picture(averaged)).isNotEqualTo(picture(plain));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors state = SafeTensors.open(averaged.state(4));
                SafeTensors file = SafeTensors.open(
                        averaged.workspace().resolve("output").resolve(TinyRun.NAME + ".safetensors"))) {
            float[] average = state.read("time_embedding.linear_1.weight/average", manager)
                    .toFloatArray();
            float[] put = file.read("model.diffusion_model.time_embed.0.weight", manager)
                    .reshape(-1)
                    .toFloatArray();
            for (int i = 0; i < put.length; i++) {
                // As bf16 rounds it.
                assertThat(put[i]).isCloseTo(average[i], Offset.offset(Math.abs(average[i]) / 256 + 1e-30f));
            }
        }
    }

    private static List<String> losses(TinyRun run) throws IOException {
        return Files.readAllLines(run.workspace().resolve("train/loss.jsonl"));
    }

    private static byte[] picture(TinyRun run) throws IOException {
        return Files.readAllBytes(run.workspace().resolve("output/samples.png"));
    }
}
