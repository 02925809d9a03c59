package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;

/** Adapters in the base model: by the commands that merge, resize and find them, and by the field that has them merged. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class BaseAdaptersRunTest {
    private static final String STEPS =
            "steps: 2, batchSize: 3, precision: Float32, adapter: {rank: 2, textEncoder: true}, optimizer: {learningRate: %s}";

    @TempDir
    Path folder;

    private Path first;
    private Path base;

    @BeforeEach
    void trainTheAdapter() throws IOException {
        TinyRun run = TinyRun.create(Files.createDirectories(folder.resolve("first")), STEPS.formatted("0.1"));
        done(run.run("run"));
        first = run.workspace().resolve("output/tiny.safetensors");
        base = run.folder.resolve("base");
    }

    private static Ran done(Ran ran) {
        assertThat(ran.code()).as(ran.error()).isZero();
        return ran;
    }

    /** Losses of a training on {@code base}, the field's value. */
    private List<Double> losses(String name, String base) throws IOException {
        return losses(trained(name, base));
    }

    private TinyRun trained(String name, String base) throws IOException {
        TinyRun run = TinyRun.create(
                Files.createDirectories(folder.resolve(name)),
                "baseModel: " + base,
                STEPS.formatted("1e-4"),
                "{enabled: false}",
                "{enabled: false}");
        done(run.run("run"));
        return run;
    }

    private static List<Double> losses(TinyRun run) throws IOException {
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(run.workspace().resolve("train/loss.jsonl"))) {
            losses.add(Json.MAPPER.readTree(line).path("loss").asDouble());
        }
        return losses;
    }

    private byte[] picture(String name, Path model, String... more) throws IOException {
        return Pngs.drawn(model, folder.resolve(name), more);
    }

    @Test
    void trainingOnAModelWithAnAdapterIsThatOnTheMergedModel() throws IOException {
        Path merged = folder.resolve("merged");
        done(Ran.of("merge", "--base", base.toString(), "--lora", first + "=0.5", "--out", merged.toString()));
        String adapted = "{uri: %s, adapters: [{uri: %s, share: %s}]}";

        List<Double> plain = losses("plain", "{uri: %s}".formatted(base));
        TinyRun run = trained("adapted", adapted.formatted(base, first, 0.5));
        List<Double> expected = losses("merged-run", "{uri: %s}".formatted(merged));

        List<Double> losses = losses(run);
        assertThat(losses).hasSize(2);
        for (int i = 0; i < 2; i++) {
            // The merged copy's weights are rounded to the files' type.
            assertThat(losses.get(i)).isCloseTo(expected.get(i), within(1e-3));
            assertThat(Math.abs(losses.get(i) - plain.get(i))).isGreaterThan(1e-2);
        }

        Files.writeString(run.yaml, Files.readString(run.yaml).replace("share: 0.5", "share: 0.25"));
        Ran changed = run.run("train");
        assertThat(changed.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(changed.error()).contains("baseModel");
    }

    @Test
    void adapterOfAnotherFamilyIsRefusedBeforeAnythingIsPrepared() throws IOException {
        TinyRun xl = TinyRun.createXl(
                Files.createDirectories(folder.resolve("xl")), STEPS.formatted("0.1"), "{enabled: false}");
        Files.writeString(
                xl.yaml,
                Files.readString(xl.yaml)
                        .replace("{uri: base}", "{uri: base, adapters: [{uri: %s}]}".formatted(first)));

        Ran refused = xl.run("run");

        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error()).contains("must be a LoRA of the base model's family");
        assertThat(xl.workspace().resolve("output")).doesNotExist();
    }

    @Test
    void picturesAreDrawnWithSharesOfSeveral() throws IOException {
        Path merged = folder.resolve("merged");
        Path sum = folder.resolve("sum.safetensors");
        done(Ran.of("merge", "--lora", first + "=0.3", "--lora", first + "=0.7", "--out", sum.toString()));
        done(Ran.of("merge", "--base", base.toString(), "--lora", first.toString(), "--out", merged.toString()));

        byte[] plain = picture("none", base);
        byte[] whole = picture("whole", base, "--lora", first.toString());
        byte[] shares = picture("shares", base, "--lora", first + "=0.3", "--lora", first + "=0.7");

        assertThat(whole).isNotEqualTo(plain);
        assertThat(Pngs.difference(shares, whole)).isLessThanOrEqualTo(1);
        assertThat(Pngs.difference(picture("sum", base, "--lora", sum.toString()), whole))
                .isLessThanOrEqualTo(1);
        assertThat(Pngs.difference(picture("merged-picture", merged), whole)).isLessThanOrEqualTo(8);
        assertThat(picture("half", base, "--lora", first + "=0.5"))
                .isNotEqualTo(whole)
                .isNotEqualTo(plain);
    }

    /** Pictures of the last step, by those of the base model, of a run at {@code strength}. */
    private int change(TinyRun run, String strength) throws IOException {
        Files.writeString(
                run.yaml, Files.readString(run.yaml).replaceFirst("strength: [0-9.]+", "strength: " + strength));
        done(run.run("run"));
        Path samples = run.workspace().resolve("train/samples");
        List<Path> pictures;
        try (Stream<Path> files = Files.walk(samples)) {
            pictures = files.filter(f -> f.toString().endsWith(".png")).sorted().toList();
        }
        return Pngs.difference(
                Files.readAllBytes(pictures.get(0)), Files.readAllBytes(pictures.get(pictures.size() - 1)));
    }

    @Test
    void picturesOfATrainingAreDrawnAtItsStrength() throws IOException {
        TinyRun run = TinyRun.create(
                Files.createDirectories(folder.resolve("drawn")),
                "baseModel: {uri: %s}".formatted(base),
                STEPS.formatted("0.1") + ", checkpoints: {everySteps: 2}",
                "{steps: 2, size: 64, strength: 1, prompts: [{text: a cat, seed: 1}]}",
                "{enabled: false}");

        int whole = change(run, "1");

        assertThat(whole).isGreaterThan(20);
        assertThat(change(run, "0")).isLessThanOrEqualTo(1);
        assertThat(change(run, "0.3")).isBetween(2, whole - 1);
        assertThat(Files.readString(run.workspace().resolve("output/workflow.json")))
                .contains("\"strength_model\" : 0.3");
    }

    @Test
    void adapterIsFoundAgainFromTheMergedModelAndMadeSmaller() throws IOException {
        Path merged = folder.resolve("merged");
        Path found = folder.resolve("found.safetensors");
        Path small = folder.resolve("small.safetensors");
        done(Ran.of("merge", "--base", base.toString(), "--lora", first.toString(), "--out", merged.toString()));

        done(Ran.of(
                "extract",
                "--base",
                base.toString(),
                "--tuned",
                merged.toString(),
                "--rank",
                "2",
                "--out",
                found.toString()));
        done(Ran.of("resize", found.toString(), "--rank", "1", "--out", small.toString()));

        byte[] whole = picture("whole", base, "--lora", first.toString());
        assertThat(Pngs.difference(picture("found", base, "--lora", found.toString()), whole))
                .isLessThanOrEqualTo(8);
        assertThat(Files.size(small)).isLessThan(Files.size(found));
        assertThat(Ran.of("inspect", small.toString()).output().replaceAll(" +", " "))
                .contains("ss_network_dim = 1");
        Ran again = Ran.of("resize", found.toString(), "--rank", "1", "--out", small.toString());
        assertThat(again.code()).isNotZero();
        assertThat(again.error()).contains(small.toString());
    }
}
