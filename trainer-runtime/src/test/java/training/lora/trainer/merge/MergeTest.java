package training.lora.trainer.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterType;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.Exports;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.SingleGoldens;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** What comes of adapters and checkpoints, by what models predict with them. */
class MergeTest {
    private static final List<String> EVERYTHING = List.of("Attention", "FeedForward", "Convolution");

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @TempDir
    Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    private Path base(String model, boolean single) throws IOException {
        if (model.equals("emoji-sd")) {
            return inSinglePrecision(Goldens.BUNDLED.resolve(model));
        }
        Path place = folder.resolve(single ? "base.safetensors" : "base");
        if (single) {
            SingleGoldens.writeFile(model, place);
        } else {
            SingleGoldens.writeFolder(model, place);
        }
        return place;
    }

    /** A copy of a model, all of whose weights are in fp32. */
    private Path inSinglePrecision(Path model) throws IOException {
        Path copy = folder.resolve("base");
        try (Stream<Path> files = Files.walk(model)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path target = copy.resolve(model.relativize(file).toString());
                Files.createDirectories(target.getParent());
                if (!file.toString().endsWith(".safetensors")) {
                    Files.copy(file, target);
                    continue;
                }
                Map<String, NDArray> tensors = new TreeMap<>();
                try (SafeTensors weights = SafeTensors.open(file)) {
                    weights.entries().keySet().forEach(name -> tensors.put(name, weights.read(name, manager)));
                }
                SafeTensorsWriter.write(target, tensors, Map.of());
            }
        }
        return copy;
    }

    /** An adapter of every module with random numbers. */
    private Path adapter(String name, AdapterType type, AdapterFormat format, Path base, long seed) throws IOException {
        Path file = folder.resolve(name + ".safetensors");
        try (StableDiffusion model = StableDiffusion.open(base, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        AdapterFiles.projections(model, model.unet()),
                        new LoraSettings(type, 3, 2, false, 0, EVERYTHING, List.of()),
                        seed,
                        model::weight,
                        manager)) {
            NDArray parameters = adapter.parameters();
            parameters.addi(
                    Randomness.normal(manager, seed, parameters.getShape()).mul(0.1));
            Exports.write(file, format, adapter, ExportMetadata.of(name, "base", model, 64));
        }
        return file;
    }

    /** What the denoiser predicts and the text encoders make of a text, with adapters at their shares or without. */
    private NDList outputs(Path base, @Nullable Path adapter) {
        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            LoraAdapter read = adapter == null ? null : AdapterFiles.read(adapter, model, manager);
            NDList outputs = outputs(model, read == null ? ProjectionDeltas.NONE : read.bind(manager));
            if (read != null) {
                read.close();
            }
            return outputs;
        }
    }

    private NDList outputs(StableDiffusion model, ProjectionDeltas deltas) {
        TextEmbedding text = model.prompts().encode(manager, List.of("a cat"), deltas);
        NDArray context = text.context();
        NDArray pooled = text.pooled();
        Conditioning told = pooled == null
                ? Conditioning.of(context)
                : new Conditioning(
                        context, pooled, manager.create(new float[] {64, 64, 0, 0, 64, 64}, new Shape(1, 6)));
        NDList outputs = new NDList(model.unet()
                .forward(
                        Randomness.normal(manager, 1, new Shape(1, 4, 8, 8)),
                        manager.create(new float[] {300}),
                        told,
                        deltas));
        outputs.add(context);
        return outputs;
    }

    private static void assertEqual(NDList actual, NDList expected, double tolerance) {
        for (int i = 0; i < expected.size(); i++) {
            assertClose(actual.get(i), expected.get(i), tolerance, i == 0 ? "prediction" : "embedding");
        }
    }

    private static double difference(NDList a, NDList b) {
        return a.get(0).sub(b.get(0)).abs().max().getFloat();
    }

    @ParameterizedTest
    @CsvSource({
        "emoji-sd, false, LoRA, Kohya",
        "emoji-sd, false, DoRA, Kohya",
        "tiny-sd15, true, LoRA, Kohya",
        "tiny-sd15, false, LoRA, Diffusers",
        "tiny-sdxl, true, LoRA, Kohya",
        "tiny-sdxl, false, LoRA, Kohya",
        "tiny-sd15, true, DoRA, Kohya",
        "tiny-sd15, false, DoRA, Diffusers",
        "tiny-sd15, false, LoHa, Kohya",
        "tiny-sdxl, true, LoKr, Kohya"
    })
    void checkpointDoesWhatTheAdapterDoesAndAllElseStays(
            String model, boolean single, AdapterType type, AdapterFormat format) throws IOException {
        Path base = base(model, single);
        Path adapter = adapter("adapter", type, format, base, 5);
        Path merged = folder.resolve(single ? "merged.safetensors" : "merged");

        CheckpointMerge.merge(base, List.of(new Weighted(adapter, 1)), merged, manager);

        NDList expected = outputs(base, adapter);
        // The tiny models' weights are in fp16, which has steps of 2^-11.
        assertEqual(outputs(merged, null), expected, model.equals("emoji-sd") ? 1e-4 : 5e-3);
        assertThat(difference(expected, outputs(base, null))).isGreaterThan(1e-2);
        try (SafeTensors before =
                        SafeTensors.open(single ? base : base.resolve("vae/diffusion_pytorch_model.safetensors"));
                SafeTensors after =
                        SafeTensors.open(single ? merged : merged.resolve("vae/diffusion_pytorch_model.safetensors"))) {
            assertThat(after.entries().keySet()).isEqualTo(before.entries().keySet());
            for (String name : before.entries().keySet()) {
                if (name.contains("decoder") || name.endsWith("bias")) {
                    assertThat(after.read(name, manager).toFloatArray())
                            .containsExactly(before.read(name, manager).toFloatArray());
                }
            }
        }
        try (var left = Files.list(folder)) {
            assertThat(left.map(f -> f.getFileName().toString())).noneMatch(n -> n.startsWith("."));
        }
    }

    @ParameterizedTest
    @CsvSource({"LoRA, LoHa", "DoRA, LoKr"})
    void modelIsReadWithAdaptersAsTheCheckpointThatTheyWereMergedInto(AdapterType first, AdapterType second)
            throws IOException {
        Path base = base("emoji-sd", false);
        List<Weighted> both = List.of(
                new Weighted(adapter("one", first, AdapterFormat.Kohya, base, 5), 0.7),
                new Weighted(adapter("two", second, AdapterFormat.Kohya, base, 6), -0.4));
        Path merged = folder.resolve("merged");
        CheckpointMerge.merge(base, both, merged, manager);

        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            MergedModel.merge(both, model, manager);
            assertEqual(outputs(model, ProjectionDeltas.NONE), outputs(merged, null), 1e-6);
            // They are read again with the same changes.
            model.releasePrompts();
            assertEqual(outputs(model, ProjectionDeltas.NONE), outputs(merged, null), 1e-6);
            assertThatThrownBy(() -> MergedModel.merge(both, model, manager))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("weights must be changed once, before they are read");
        }
        assertThat(difference(outputs(merged, null), outputs(base, null))).isGreaterThan(1e-2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"LoRA", "LoHa", "LoKr"})
    void strengthOfAnAdapterBesideTheModelIsItsShareInTheWeights(AdapterType type) throws IOException {
        Path base = base("emoji-sd", false);
        Path file = adapter("adapter", type, AdapterFormat.Kohya, base, 5);
        Path merged = folder.resolve("merged");
        CheckpointMerge.merge(base, List.of(new Weighted(file, 0.4)), merged, manager);

        try (StableDiffusion model = StableDiffusion.open(base, manager);
                LoraAdapter adapter = AdapterFiles.read(file, model, manager)) {
            assertEqual(outputs(model, adapter.bind(manager).scaled(0.4)), outputs(merged, null), 1e-4);
        }
        assertThat(difference(outputs(merged, null), outputs(base, file))).isGreaterThan(1e-2);
    }

    @Test
    void adapterOfAnotherModelIsRefusedAndNothingIsLeft() throws IOException {
        Path base = base("tiny-sd15", true);
        Path other = folder.resolve("other");
        SingleGoldens.writeFolder("tiny-sdxl", other);
        Path adapter = adapter("adapter", AdapterType.LoRA, AdapterFormat.Kohya, other, 5);
        Path merged = folder.resolve("merged.safetensors");

        assertThatThrownBy(() -> CheckpointMerge.merge(base, List.of(new Weighted(adapter, 1)), merged, manager))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("must be a LoRA of the base model's family");
        assertThat(merged).doesNotExist();
    }

    @Test
    void sumOfLorasDoesWhatBothDoInACheckpointAtTheirShares() throws IOException {
        Path base = base("emoji-sd", false);
        Path one = adapter("one", AdapterType.LoRA, AdapterFormat.Kohya, base, 5);
        Path two = adapter("two", AdapterType.LoRA, AdapterFormat.Diffusers, base, 6);
        List<Weighted> both = List.of(new Weighted(one, 0.7), new Weighted(two, -0.4));
        Path sum = folder.resolve("sum.safetensors");
        Path merged = folder.resolve("merged");

        LoraFiles.sum(both, sum);
        CheckpointMerge.merge(base, both, merged, manager);

        assertEqual(outputs(base, sum), outputs(merged, null), 1e-4);
        Path loha = adapter("loha", AdapterType.LoHa, AdapterFormat.Kohya, base, 6);
        assertThatThrownBy(() -> LoraFiles.sum(List.of(new Weighted(loha, 1)), folder.resolve("x.safetensors")))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("loha.safetensors must be a LoRA")
                .hasMessageContaining("but is a LoHa");
    }

    private Map<String, LoraAdapter.Factors> factors(Path file, Path base) {
        try (StableDiffusion model = StableDiffusion.open(base, manager)) {
            AdapterFile opened = AdapterFiles.open(file, model);
            return AdapterFiles.factors(opened, AdapterFiles.projections(model, model.unet()));
        }
    }

    /** What a LoRA adds at each module, as rows. */
    private NDArray change(Map<String, LoraAdapter.Factors> factors, String path) {
        LoraAdapter.Factors f = Objects.requireNonNull(factors.get(path), path);
        return f.change(manager.zeros(new Shape(1)), manager);
    }

    @ParameterizedTest
    @ValueSource(strings = {"3", "2", "1", "energy"})
    void resizedLoraIsTheBestOfItsRankAndAtFullRankTheSame(String rank) throws IOException {
        Path base = base("tiny-sd15", false);
        Path file = adapter("lora", AdapterType.LoRA, AdapterFormat.Kohya, base, 5);
        Path resized = folder.resolve("resized.safetensors");
        Ranks ranks = rank.equals("energy") ? new Ranks(null, 0.9) : new Ranks(Integer.valueOf(rank), null);

        double kept = LoraFiles.resize(file, ranks, resized, manager);

        if (rank.equals("3")) {
            assertThat(kept).isEqualTo(1);
            assertEqual(outputs(base, resized), outputs(base, file), 1e-4);
        }
        Map<String, LoraAdapter.Factors> before = factors(file, base);
        Map<String, LoraAdapter.Factors> after = factors(resized, base);
        assertThat(after.keySet()).isEqualTo(before.keySet());
        double least = 1;
        for (String path : before.keySet()) {
            NDArray whole = change(before, path);
            double all = whole.square().sum().getFloat();
            double lost = whole.sub(change(after, path)).square().sum().getFloat();
            least = Math.min(least, 1 - lost / all);
            int own = Objects.requireNonNull(after.get(path)).rank();
            assertThat(own).isLessThanOrEqualTo(rank.equals("energy") ? 3 : Integer.parseInt(rank));
        }
        assertThat(least).isCloseTo(kept, org.assertj.core.api.Assertions.within(1e-4));
        if (rank.equals("energy")) {
            assertThat(kept).isBetween(0.9, 1.0);
        }
    }

    @ParameterizedTest
    @CsvSource({"emoji-sd, false, 1e-4", "tiny-sdxl, true, 2e-2"})
    void loraThatWasMergedIsFoundAgain(String model, boolean single, double tolerance) throws IOException {
        Path base = base(model, single);
        Path lora = adapter("lora", AdapterType.LoRA, AdapterFormat.Kohya, base, 5);
        Path merged = folder.resolve(single ? "merged.safetensors" : "merged");
        Path found = folder.resolve("found.safetensors");
        CheckpointMerge.merge(base, List.of(new Weighted(lora, 1)), merged, manager);

        double kept = LoraFiles.extract(base, merged, EVERYTHING, new Ranks(3, null), found, manager);

        assertThat(kept).isGreaterThan(1 - tolerance);
        Map<String, LoraAdapter.Factors> before = factors(lora, base);
        Map<String, LoraAdapter.Factors> after = factors(found, base);
        assertThat(after.keySet()).isEqualTo(before.keySet());
        for (String path : before.keySet()) {
            assertClose(change(after, path), change(before, path), tolerance, path);
        }
        assertEqual(outputs(base, found), outputs(base, lora), tolerance);
        assertThatThrownBy(() -> LoraFiles.extract(
                        base, base, EVERYTHING, new Ranks(3, null), folder.resolve("x.safetensors"), manager))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("must have other weights than");
    }

    @Test
    void whatIsAskedForWronglyIsTold() {
        assertThatThrownBy(() -> new Ranks(null, null))
                .hasMessage("one of --rank and --energy must be given, and not both");
        assertThatThrownBy(() -> new Ranks(0, null)).hasMessage("--rank must be at least 1, was 0");
        assertThatThrownBy(() -> new Ranks(null, 1.5)).hasMessage("--energy must be above 0 and at most 1, was 1.5");
        assertThat(Weighted.parse(List.of("a=b.safetensors", "a.safetensors=-0.5")))
                .containsExactly(
                        new Weighted(Path.of("a=b.safetensors"), 1), new Weighted(Path.of("a.safetensors"), -0.5));
        assertThatThrownBy(() -> Weighted.parse(List.of("a.safetensors=much")))
                .hasMessage("--lora must be FILE or FILE=SHARE with a number as its share, was a.safetensors=much");
    }
}
