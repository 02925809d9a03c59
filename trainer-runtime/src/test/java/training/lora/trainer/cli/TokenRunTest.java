package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;

/** New tokens from the configuration to their files, alone and beside an adapter, in runs that are gone on from. */
@Timeout(900)
class TokenRunTest {
    private static final String TRAINING =
            "steps: 12, batchSize: 2, precision: Float32, checkpoints: {everySteps: 6}, tokens: {count: 2, learningRate: 1e-2, stopFraction: %s}";

    @TempDir
    Path folder;

    @Test
    void checkpointsHaveTheFilesThatEdenWrites() throws Exception {
        TinyRun run = named(TinyRun.create(
                folder,
                TRAINING.formatted("0.5") + ", adapter: {rank: 2, targets: [Attention]}",
                "output: {eden: true}"));

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        Path output = run.workspace().resolve("output");
        Path eden = output.resolve("eden");
        assertThat(values(eden.resolve("tiny_sd15_embeddings.safetensors"), "clip_l"))
                .containsExactly(values(embedding(run, "output"), "emb_params"));
        assertThat(Files.readString(eden.resolve("special_params.json")).replaceAll("\\s", ""))
                .isEqualTo("{\"TOK\":\"<s0><s1>\"}");
        JsonNode arguments =
                Json.MAPPER.readTree(eden.resolve("training_args.json").toFile());
        assertThat(arguments.path("max_train_steps").intValue()).isEqualTo(12);
        assertThat(arguments.path("lora_rank").intValue()).isEqualTo(2);
        assertThat(arguments.path("sd_model_version").asText()).isEqualTo("sd15");
        Path lora = eden.resolve("tiny_sd15_lora.safetensors");
        assertThat(Ran.of("inspect", lora.toString()).output())
                .contains("kohya's form")
                .doesNotContain("\ntokens ");
        Path word = Files.copy(eden.resolve("tiny_sd15_embeddings.safetensors"), folder.resolve("qzx.safetensors"));
        assertThat(picture("eden", "--lora", lora.toString(), "--embedding", word.toString()))
                .isEqualTo(picture(
                        "kohya", "--lora", output.resolve("tiny.safetensors").toString()));
        requireReadWithTokens(eden, values(embedding(run, "output"), "emb_params"));
        assertThat(output.resolve("checkpoints/step-000006/eden/training_args.json"))
                .exists();
        assertThat(Files.readString(output.resolve("manifest.json"))).contains("eden/special_params.json");
        // What it wrote is its own, which another publication takes the place of.
        run.unpublish();
        assertThat(run.run("run", "--attempt", "2").code()).isZero();
        assertThat(eden.resolve("special_params.json")).exists();
    }

    /** As the command evaluate reads a folder of Eden's: its TOK is whichever word calls what was learned. */
    private void requireReadWithTokens(Path eden, float[] rows) throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(folder.resolve("base"), manager)) {
            for (Path named : List.of(eden, eden.resolve("tiny_sd15_lora.safetensors"))) {
                try (LoraAdapter adapter = EdenCheckpoint.at(named).read(List.of("qzx"), model, manager)) {
                    assertThat(adapter.projections()).isNotEmpty();
                    TokenEmbeddings tokens = Objects.requireNonNull(adapter.tokens());
                    assertThat(tokens.values()).containsOnlyKeys("qzx");
                    LazyTensor read = Objects.requireNonNull(
                            Objects.requireNonNull(tokens.values().get("qzx")).get(Component.TextEncoder));
                    assertThat(read.in(manager).toFloatArray()).containsExactly(rows);
                }
            }
            Path copy = Files.createDirectories(folder.resolve("copy"));
            Files.copy(eden.resolve("tiny_sd15_embeddings.safetensors"), copy.resolve("a_embeddings.safetensors"));
            EdenCheckpoint alone = EdenCheckpoint.at(copy);
            assertThatThrownBy(() -> alone.read(List.of("qzx"), model, manager))
                    .hasMessageContaining("special_params.json must be there beside embeddings");
            Files.writeString(copy.resolve("special_params.json"), "{\"TOK\": \"<s0>\"}");
            assertThatThrownBy(() -> alone.read(List.of("qzx"), model, manager))
                    .hasMessageContaining("must hold 1 embeddings in each of clip_l and clip_g, but holds clip_l");
        }
    }

    @Test
    void tokensBesideAnAdapterAreTrainedStoppedResumedWrittenExplainedAndDrawn() throws Exception {
        TinyRun run = named(
                TinyRun.create(
                        folder,
                        TRAINING.formatted("0.5")
                                + ", adapter: {rank: 2, targets: [Attention]}, optimizer: {learningRate: 1e-2, loraPlusRatio: 2}"));

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] whole = run.lora();
        byte[] tokens = Files.readAllBytes(embedding(run, "output"));
        run.interruptBefore(12);
        Ran again = run.run("run", "--attempt", "2");
        assertThat(again.code()).as(again.error()).isZero();

        assertThat(again.output() + again.error()).contains("going on from step 6 of 12");
        assertThat(run.lora()).isEqualTo(whole);
        assertThat(Files.readAllBytes(embedding(run, "output"))).isEqualTo(tokens);
        float[] stopped = values(embedding(run, "train/checkpoints/step-000006"), "emb_params");
        assertThat(values(embedding(run, "output"), "emb_params")).containsExactly(stopped);
        Path kohya = run.workspace().resolve("output/tiny.safetensors");
        assertThat(values(kohya, "bundle_emb.qzx.clip_l")).containsExactly(stopped);
        assertThat(Ran.of("inspect", kohya.toString()).output().replaceAll(" +", " "))
                .contains("what a LoRA in kohya's form\n", "tokens qzx: 2 of width 24 for clip_l\n", "rank [2]\n");
        try (SafeTensors word = SafeTensors.open(embedding(run, "output"))) {
            assertThat(word.metadata())
                    .containsEntry("ss_optimizer", "AdamW(weight_decay=0.0)")
                    .containsEntry("ss_steps", "12")
                    .doesNotContainKeys("ss_unet_lr", "ss_network_args", "ss_network_module");
        }
        Path diffusers = run.workspace().resolve("output/diffusers/pytorch_lora_weights.safetensors");
        byte[] drawn = picture("kohya", "--lora", kohya.toString());
        assertThat(drawn)
                .isEqualTo(picture(
                        "diffusers",
                        "--lora",
                        diffusers.toString(),
                        "--embedding",
                        embedding(run, "output").toString()))
                .isNotEqualTo(picture("without", "--lora", diffusers.toString()));
        Ran twice = draw(
                "twice",
                "--lora",
                kohya.toString(),
                "--embedding",
                embedding(run, "output").toString());
        assertThat(twice.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(twice.error()).contains("--embedding must not be given where --lora bundles embeddings");
        assertThat(Ran.of("inspect", run.workspace().toString()).code()).isZero();
        assertThat(Files.readString(run.workspace().resolve("output/proof.json")))
                .contains("tiny.safetensors", "embeddings/qzx.safetensors");
        Ran converted = Ran.of("export", kohya.toString(), "--to", "diffusers");
        assertThat(converted.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(converted.error()).contains("--to must be Kohya for ").contains("it bundles embeddings");
    }

    @Test
    void tokensAloneAreTrainedFromTheClassNameResumedAndWrittenInBothForms() throws Exception {
        TinyRun run = named(TinyRun.create(folder, "method: TextualInversion, " + TRAINING.formatted("1")));

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] whole = run.lora();
        run.interruptBefore(12);
        Ran again = run.run("run", "--attempt", "2");
        assertThat(again.code()).as(again.error()).isZero();

        assertThat(run.lora()).isEqualTo(whole);
        assertThat(run.workspace().resolve("output/diffusers")).doesNotExist();
        assertThat(ended.output() + ended.error()).contains("training the embeddings of qzx on ");
        float[] trained = values(embedding(run, "output"), "emb_params");
        float[] before = values(embedding(run, "train/checkpoints/step-000006"), "emb_params");
        assertThat(trained).isNotEqualTo(before);
        // Adam moves each number by no more than its rate at a step, from what the word's own embedding was.
        float[] word = wordEmbedding();
        for (int i = 0; i < trained.length; i++) {
            assertThat(Math.abs(trained[i] - word[i])).isBetween(1e-5f, 0.12f);
        }
        Path kohya = run.workspace().resolve("output/tiny.safetensors");
        assertThat(Ran.of("inspect", kohya.toString()).output().replaceAll(" +", " "))
                .contains("what bundled embeddings\n", "tokens qzx: 2 of width 24 for clip_l\n")
                .contains("modelspec.architecture = stable-diffusion-v1/textual-inversion\n")
                .doesNotContain("rank ", "ss_network_module");
        assertThat(Ran.of("inspect", embedding(run, "output").toString()).output())
                .contains("a textual-inversion embedding");
        assertThat(picture("kohya", "--lora", kohya.toString()))
                .isEqualTo(picture(
                        "embedding", "--embedding", embedding(run, "output").toString()))
                .isNotEqualTo(picture("without"));
    }

    @Test
    void tokensOfXlAreOfBothTextEncoders() throws Exception {
        TinyRun run = named(TinyRun.createXl(
                folder, TRAINING.formatted("1") + ", adapter: {rank: 2, targets: [Attention]}", "{enabled: false}"));

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        try (SafeTensors file = SafeTensors.open(embedding(run, "output"))) {
            assertThat(file.entries()).containsOnlyKeys("clip_l", "clip_g");
            assertThat(file.entry("clip_l").shape()[0]).isEqualTo(2);
            assertThat(file.entry("clip_g").shape()[0]).isEqualTo(2);
        }
    }

    @Test
    void aTriggerThatTheModelKnowsIsRefusedBeforeAnythingIsPrepared() throws Exception {
        TinyRun run = TinyRun.create(folder, TRAINING.formatted("1")).of("mode: Object, trigger: a");

        Ran refused = run.run("run");

        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error())
                .contains("must be a word that the base model doesn't know where")
                .contains("was a");
    }

    /** The run with a concept whose trigger the tokens stand for. */
    private static TinyRun named(TinyRun run) throws Exception {
        return run.of("mode: Object, trigger: qzx, className: cat");
    }

    private static Path embedding(TinyRun run, String place) {
        return run.workspace().resolve(place).resolve("embeddings/qzx.safetensors");
    }

    private static float[] values(Path file, String tensor) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors tensors = SafeTensors.open(file)) {
            return tensors.read(tensor, manager).toFloatArray();
        }
    }

    /** Two tokens that begin as `cat`: its own tokens in the base model, gone through again. */
    private float[] wordEmbedding() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors encoder = SafeTensors.open(folder.resolve("base/text_encoder/model.safetensors"));
                StableDiffusion model = StableDiffusion.open(folder.resolve("base"), manager)) {
            long[] ids = model.prompts().vocabularies().get(0).tokens().apply("cat");
            NDArray table = encoder.read("embeddings.token_embedding.weight", manager);
            float[] first = table.get(ids[0]).toFloatArray();
            float[] second = table.get(ids[1 % ids.length]).toFloatArray();
            float[] both = Arrays.copyOf(first, first.length + second.length);
            System.arraycopy(second, 0, both, first.length, second.length);
            return both;
        }
    }

    private byte[] picture(String name, String... more) throws Exception {
        Ran ran = draw(name, more);
        assertThat(ran.code()).as(ran.error()).isZero();
        return Files.readAllBytes(folder.resolve(name).resolve("a-qzx-0.png"));
    }

    private Ran draw(String name, String... more) {
        List<String> arguments = new ArrayList<>(List.of(
                "sample",
                "--base",
                folder.resolve("base").toString(),
                "--prompt",
                "a qzx",
                "--steps",
                "2",
                "--resolution",
                "64",
                "--out",
                folder.resolve(name).toString()));
        arguments.addAll(List.of(more));
        return Ran.of(arguments.toArray(String[]::new));
    }
}
