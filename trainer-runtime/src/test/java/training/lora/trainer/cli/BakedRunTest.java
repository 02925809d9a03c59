package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Reason;
import training.lora.trainer.tensor.SafeTensors;

/** A DoRA for AUTOMATIC1111, from the configuration and from a file. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class BakedRunTest {
    @TempDir
    Path folder;

    private TinyRun run(String adapter, String formats) throws Exception {
        return TinyRun.create(
                folder,
                "steps: 4, batchSize: 2, precision: Float32, checkpoints: {everySteps: 2}, adapter: {" + adapter
                        + ", rank: 2, textEncoder: true, targets: [Attention, Convolution]}, optimizer: {learningRate: 1e-2}",
                "output: {formats: " + formats + "}");
    }

    @Test
    void fullDifferencesAreWrittenProvenExplainedAndDrawnAsTheDora() throws Exception {
        TinyRun run = run("type: DoRA", "[Kohya, A1111Baked]");

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        Path output = run.workspace().resolve("output");
        Path kohya = output.resolve("tiny.safetensors");
        Path baked = output.resolve("tiny_a1111.safetensors");
        assertThat(output.resolve("checkpoints/step-000002/tiny_a1111.safetensors"))
                .exists();
        Manifest manifest =
                Json.MAPPER.readValue(output.resolve("manifest.json").toFile(), Manifest.class);
        assertThat(manifest.files())
                .filteredOn(a -> a.name().equals("lora") && a.uri().endsWith("_a1111.safetensors"))
                .isNotEmpty()
                .allMatch(a -> a.format() == AdapterFormat.A1111Baked);
        assertThat(output.resolve("proof.json")).content().contains("\"tiny_a1111.safetensors\"");
        Ran inspected = Ran.of("inspect", baked.toString());
        assertThat(inspected.output().replaceAll(" +", " "))
                .contains("what a full difference of weights in kohya's form\n")
                .contains("norm of the change")
                .contains("ss_output_name = tiny_a1111\n")
                .doesNotContain("rank");
        byte[] plain = picture("plain");
        byte[] dora = picture("dora", "--lora", kohya.toString());
        assertThat(Pngs.difference(picture("baked", "--lora", baked.toString()), dora))
                .isLessThanOrEqualTo(1);
        assertThat(Pngs.difference(dora, plain)).isGreaterThan(1);

        aFileBecomesTheSame(kohya, baked);
        oneOfASmallRankSaysWhatItKeeps(baked);
    }

    private void aFileBecomesTheSame(Path kohya, Path baked) throws Exception {
        Path again = folder.resolve("again.safetensors");
        String base = folder.resolve("base").toString();
        Ran ran = Ran.of("export", kohya.toString(), "--to", "A1111Baked", "--base", base, "--out", again.toString());
        assertThat(ran.code()).as(ran.error()).isZero();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors ours = SafeTensors.open(baked);
                SafeTensors theirs = SafeTensors.open(again)) {
            assertThat(theirs.entries()).containsOnlyKeys(ours.entries().keySet());
            for (String name : ours.entries().keySet()) {
                assertClose(theirs.read(name, manager), ours.read(name, manager), 1e-5, name);
            }
            assertThat(theirs.metadata())
                    .containsEntry("ss_output_name", "again")
                    .doesNotContainKeys("dora_scale_norm", "ss_network_dim");
        }
    }

    private void oneOfASmallRankSaysWhatItKeeps(Path baked) throws Exception {
        Path small = folder.resolve("small.safetensors");
        Ran ran = Ran.of("resize", baked.toString(), "--rank", "2", "--out", small.toString());
        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(ran.output()).matches("(?s).*of a module at least 0\\.\\d{4} of what it adds\n");
        assertThat(Ran.of("inspect", small.toString()).output().replaceAll(" +", " "))
                .contains("what a LoRA in kohya's form\n", "rank [2]\n");
        try (SafeTensors written = SafeTensors.open(small)) {
            assertThat(written.metadata()).doesNotContainValue("lycoris.kohya").doesNotContainValue("tiny_a1111");
            assertThat(written.metadata().getOrDefault("ss_network_args", "")).doesNotContain("algo");
        }
        assertThat(picture("small", "--lora", small.toString())).isNotEqualTo(picture("unchanged"));
    }

    @Test
    void tokensBesideADoraStandInBothFiles() throws Exception {
        TinyRun run = run("type: DoRA", "[Kohya, A1111Baked]");
        Files.writeString(
                run.yaml,
                Files.readString(run.yaml)
                        .replace(
                                "[{uri: data}]", "[{uri: data, concept: {mode: Object, trigger: qzx, className: cat}}]")
                        .replace("optimizer: {", "tokens: {count: 2, learningRate: 1e-2}, optimizer: {"));

        Ran ended = run.run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        Path output = run.workspace().resolve("output");
        Path baked = output.resolve("tiny_a1111.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors dora = SafeTensors.open(output.resolve("tiny.safetensors"));
                SafeTensors differences = SafeTensors.open(baked)) {
            List<String> rows = dora.entries().keySet().stream()
                    .filter(name -> name.startsWith("bundle_emb."))
                    .toList();
            assertThat(rows).isNotEmpty();
            for (String name : rows) {
                assertThat(differences.read(name, manager)).isEqualTo(dora.read(name, manager));
            }
        }
        assertThat(Ran.of("inspect", baked.toString()).output().replaceAll(" +", " "))
                .contains("what a full difference of weights");
    }

    @Test
    void whatMeansNothingIsRefused() throws Exception {
        TinyRun run = run("type: LoRA", "[Kohya]");
        assertThat(run.run("run").code()).isZero();
        Path kohya = run.workspace().resolve("output/tiny.safetensors");
        String base = folder.resolve("base").toString();

        refused(
                "--base must be given where --to is A1111Baked, to whose weights it is the difference",
                "export",
                kohya.toString(),
                "--to",
                "A1111Baked");
        refused(
                "--base must not be given where --to is Diffusers, which needs none, was " + base,
                "export",
                kohya.toString(),
                "--to",
                "Diffusers",
                "--base",
                base);
        refused(
                "must be a DoRA where --to is A1111Baked, for AUTOMATIC1111 reads others in the form of Kohya, but is a LoRA",
                "export",
                kohya.toString(),
                "--to",
                "A1111Baked",
                "--base",
                base);
    }

    private static void refused(String why, String... arguments) {
        Ran ran = Ran.of(arguments);
        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains(why);
    }

    private byte[] picture(String name, String... more) throws Exception {
        return Pngs.drawn(folder.resolve("base"), folder.resolve(name), more);
    }
}
