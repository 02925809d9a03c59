package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** {@code merge}, {@code export} and {@code resize} of files that bundle embeddings, and on models that ship with the trainer. */
class AdapterCommandsTest {
    private static final String MODULE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k";

    private static final Function<String, @Nullable String> ENVIRONMENT = name -> name.equals("LORA_BUNDLED")
            ? Goldens.BUNDLED.toAbsolutePath().normalize().toString()
            : System.getenv(name);

    @TempDir
    Path folder;

    /** A file for emoji-sd: a LoRA of rank 2, a word's embedding, or both. */
    private Path file(String name, boolean lora, boolean word) throws IOException {
        Path file = folder.resolve(name + ".safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, ai.djl.ndarray.NDArray> tensors = new LinkedHashMap<>();
            if (lora) {
                tensors.put(MODULE + ".alpha", manager.create(2f));
                tensors.put(MODULE + ".lora_down.weight", Randomness.normal(manager, 1, new Shape(2, 128)));
                tensors.put(MODULE + ".lora_up.weight", Randomness.normal(manager, 2, new Shape(128, 2)));
            }
            if (word) {
                tensors.put("bundle_emb.qzx.clip_l", Randomness.normal(manager, 3, new Shape(2, 128)));
            }
            SafeTensorsWriter.write(file, tensors, Map.of("ss_base_model_version", "sd_v1"));
        }
        return file;
    }

    private Ran ran(String... arguments) {
        return Ran.of(ENVIRONMENT, arguments);
    }

    private static List<String> names(Path file) {
        try (SafeTensors read = SafeTensors.open(file)) {
            return List.copyOf(read.entries().keySet());
        }
    }

    @Test
    void bundledEmbeddingsAreLeftOutWhereThatIsAskedFor() throws IOException {
        Path both = file("both", true, true);
        String base = "bundled://emoji-sd";
        String out = folder.resolve("out").toString();

        Ran refused = ran("merge", "--base", base, "--lora", both.toString(), "--out", out);
        Ran merged = ran("merge", "--base", base, "--lora", both.toString(), "--without-embeddings", "--out", out);
        Ran added = ran("merge", "--lora", both.toString(), "--without-embeddings", "--out", out + ".safetensors");
        Ran exported = ran("export", both.toString(), "--to", "diffusers", "--without-embeddings");

        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error())
                .contains(
                        "bundles [qzx]: `lora-trainer merge` with --without-embeddings leaves them out, and `lora-trainer export` with it");
        assertThat(List.of(merged, added, exported)).allSatisfy(ran -> {
            assertThat(ran.code()).as(ran.error()).isZero();
            assertThat(ran.output() + ran.error()).contains("the embeddings of qzx");
        });
        assertThat(folder.resolve("out/model_index.json")).exists();
        assertThat(names(folder.resolve("out.safetensors"))).noneMatch(name -> name.contains("qzx"));
        assertThat(names(folder.resolve("both-diffusers.safetensors")))
                .hasSize(2)
                .noneMatch(name -> name.contains("qzx"));
    }

    @Test
    void theRefusalToMergeNamesWhatWorks() throws IOException {
        Path word = file("word", false, true);
        Path baked = folder.resolve("baked.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            SafeTensorsWriter.write(
                    baked,
                    Map.of(
                            MODULE + ".diff",
                            Randomness.normal(manager, 1, new Shape(128, 128)),
                            "bundle_emb.qzx.clip_l",
                            Randomness.normal(manager, 3, new Shape(2, 128))),
                    Map.of("ss_base_model_version", "sd_v1"));
        }
        String base = "bundled://emoji-sd";
        String out = folder.resolve("out").toString();

        Ran alone = ran("merge", "--base", base, "--lora", word.toString(), "--out", out);
        Ran difference = ran("merge", "--base", base, "--lora", baked.toString(), "--out", out);
        Ran left = ran("merge", "--base", base, "--lora", baked.toString(), "--without-embeddings", "--out", out);

        assertThat(alone.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(alone.error())
                .contains("must hold an adapter, but holds embeddings alone, of [qzx]")
                .doesNotContain("export");
        assertThat(difference.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(difference.error())
                .contains("bundles [qzx]: `lora-trainer merge` with --without-embeddings leaves them out")
                .doesNotContain("export");
        assertThat(left.code()).as(left.error()).isZero();
    }

    @Test
    void filesOfEmbeddingsAloneHaveNothingToResizeOrToLeave() throws IOException {
        Path word = file("word", false, true);

        Ran resized = ran(
                "resize",
                word.toString(),
                "--rank",
                "2",
                "--out",
                folder.resolve("x.safetensors").toString());
        Ran left = ran("export", word.toString(), "--to", "kohya", "--without-embeddings");

        assertThat(resized.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(resized.error()).contains("nothing that has a rank, only embeddings of [qzx]");
        assertThat(folder.resolve("x.safetensors")).doesNotExist();
        assertThat(left.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(left.error()).contains("holds embeddings alone, so that --without-embeddings leaves nothing");
    }

    @Test
    void anEmbeddingThatNoPromptSaysOrSteersAwayFromIsToldOf() throws IOException {
        Path word = folder.resolve("qzx.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            SafeTensorsWriter.write(
                    word, Map.of("emb_params", Randomness.normal(manager, 3, new Shape(2, 128))), Map.of());
        }

        assertThat(drawn(word, "a pear"))
                .contains("neither `--prompt` nor `--negative` says qzx, as --embedding " + word + " is called")
                .contains("with new tokens");
        assertThat(drawn(word, "a qzx")).doesNotContain("says qzx");
        assertThat(drawn(word, "a pear", "--negative", "ugly, QZX")).doesNotContain("says qzx");
        assertThat(drawn(word, "a pear", "--negative", "qzx", "--guidance", "1"))
                .contains("no `--prompt` says qzx")
                .contains("`--negative` has no effect where `--guidance` is at most 1, was 1.0");
        assertThat(drawn(word, "a qzx", "--guidance", "1")).doesNotContain("has no effect");
    }

    /** What a picture of {@code prompt} tells on the way. */
    private String drawn(Path word, String prompt, String... more) {
        List<String> arguments = new ArrayList<>(List.of("sample", "--base", "bundled://emoji-sd"));
        arguments.addAll(List.of("--embedding", word.toString(), "--prompt", prompt, "--steps", "1"));
        arguments.addAll(List.of("--out", folder.toString()));
        arguments.addAll(List.of(more));
        Ran ran = ran(arguments.toArray(String[]::new));
        assertThat(ran.code()).as(ran.error()).isZero();
        return ran.output() + ran.error();
    }

    @Test
    void baseModelsThatShipWithTheTrainerAreListedWhereANameIsAnother() throws IOException {
        Path lora = file("lora", true, false);

        Ran ran = ran(
                "merge",
                "--base",
                "bundled://emoji-sdd",
                "--lora",
                lora.toString(),
                "--out",
                folder.resolve("x").toString());

        assertThat(ran.code()).isNotZero();
        assertThat(ran.error())
                .endsWith("; what ships with the trainer of this kind is emoji-sd" + System.lineSeparator());
    }
}
