package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterType;
import training.lora.api.Json;
import training.lora.api.OptimizerType;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.api.PromptSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.Exports;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchBuilder;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.Told;
import training.lora.trainer.train.optimizer.Rates;
import training.lora.trainer.train.progress.MeasuredStep;

/** Against diffusers and peft on the bundled model; the goldens are made by src/test/goldens/emoji_goldens.py. */
class EmojiGoldensTest {
    private static final Path MODEL = Path.of("../examples/bundled/emoji-sd");
    private static final Path GOLDENS = Path.of("src/test/resources/emoji-goldens");

    /**
     * All runs in fp32, where sums come in another order, which ten steps of training spread; one in bf16, which rounds
     * each number by up to 0.4 %.
     */
    static Stream<Arguments> runs() throws IOException {
        JsonNode runs =
                Json.MAPPER.readTree(GOLDENS.resolve("values.json").toFile()).get("runs");
        return Stream.concat(
                StreamSupport.stream(runs.spliterator(), false)
                        .map(run -> Arguments.of(run, Precision.Float32, 0.01, 0.1)),
                Stream.of(Arguments.of(runs.get(0), Precision.BFloat16, 1, 3)));
    }

    /** A run: fields of spec.training, what is predicted, whether there are masks, and the losses and norms of peft. */
    @ParameterizedTest
    @MethodSource("runs")
    void tenLossesAndGradientNormsAreThoseOfPeft(
            JsonNode golden, Precision precision, double lossPercent, double normPercent) throws Exception {
        TrainingSpec training = TrainingSpecs.of(golden.get(0).asText());
        boolean masked = golden.get(2).asBoolean();
        JsonNode expected = golden.get(3);
        ModelOptions options = ModelOptions.in(precision)
                .withSchedule(Prediction.valueOf(golden.get(1).asText()), null);
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, options, run);
                LoraAdapter adapter = LoraAdapter.of(
                        model.unet().projections(), fresh(model.unet().projections(), run), run);
                LoraStep step = new LoraStep(
                        new Networks(model.unet(), null), adapter, NoiseSchedule.of(model.schedule()), training, run)) {
            assertTenStepsAre(expected, step, training, masked, lossPercent, normPercent);
        }
    }

    @ParameterizedTest
    @CsvSource({"AdamW, Float32, 0.01, 0.1", "Prodigy, Float32, 0.01, 0.1", "AdamW, BFloat16, 1, 3"})
    void tenLossesAndGradientNormsOfDoraAreThoseOfPeft(
            OptimizerType type, Precision precision, double lossPercent, double normPercent) throws Exception {
        JsonNode expected =
                Json.MAPPER.readTree(GOLDENS.resolve("dora.json").toFile()).get(type.name());
        TrainingSpec training = TrainingSpecs.of("optimizer: {type: %s}, gradientAccumulation: %d"
                .formatted(type, type == OptimizerType.Prodigy ? 2 : 1));
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, ModelOptions.in(precision), run);
                LoraAdapter adapter = dora(model, run);
                LoraStep step = new LoraStep(
                        new Networks(model.unet(), null), adapter, NoiseSchedule.of(model.schedule()), training, run)) {
            assertTenStepsAre(expected, step, training, false, lossPercent, normPercent);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "LoHa, 4, -1, Float32, 0.01, 0.1",
        "LoHa, 4, -1, BFloat16, 1, 3",
        "LoKr, 2, 8, Float32, 0.01, 0.1",
        "LoKr, 2, 8, BFloat16, 1, 3"
    })
    void tenLossesAndGradientNormsOfLohaAndLokrAreTheirFormulas(
            AdapterType type, int rank, int factor, Precision precision, double lossPercent, double normPercent)
            throws Exception {
        JsonNode expected =
                Json.MAPPER.readTree(GOLDENS.resolve("lycoris.json").toFile()).get(type.name());
        LoraSettings settings =
                new LoraSettings(type, rank, rank / 2.0, false, factor, 0, List.of("Attention"), List.of());
        try (NDManager run = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, ModelOptions.in(precision), run);
                LoraAdapter adapter = drawn(LoraAdapter.create(model.unet().projections(), settings, 0, run));
                LoraStep step = new LoraStep(
                        new Networks(model.unet(), null),
                        adapter,
                        NoiseSchedule.of(model.schedule()),
                        TrainingSpecs.of(""),
                        run)) {
            assertTenStepsAre(expected, step, TrainingSpecs.of(""), false, lossPercent, normPercent);
        }
    }

    /** With lycoris_goldens.py's first values; what begins with zero stays. */
    private static LoraAdapter drawn(LoraAdapter adapter) {
        Map<AdapterPart, double[]> drawn = Map.of(
                AdapterPart.HadaW1A, new double[] {1000, 0.1},
                AdapterPart.HadaW1B, new double[] {2000, 1},
                AdapterPart.HadaW2B, new double[] {4000, 1},
                AdapterPart.LokrW1, new double[] {1000, 0.3},
                AdapterPart.LokrW2A, new double[] {3000, 0.5});
        List<AdaptedProjection> sorted = adapter.projections().stream()
                .sorted(java.util.Comparator.comparing(p -> p.projection().path()))
                .toList();
        NDArray parameters = adapter.parameters();
        for (int i = 0; i < sorted.size(); i++) {
            AdaptedProjection p = sorted.get(i);
            long begin = p.offset();
            for (AdapterPart part : p.kind().parts()) {
                Shape shape = p.kind().shape(part, p.projection());
                double[] d = drawn.get(part);
                if (d != null) {
                    NDArray values = Randomness.normal(parameters.getManager(), (long) d[0] + i, shape)
                            .mul(d[1]);
                    Copy.into(parameters.get(begin + ":" + (begin + shape.size())), values.flatten());
                }
                begin += shape.size();
            }
        }
        return adapter;
    }

    /** @param expected loss and gradient norm of each step */
    private static void assertTenStepsAre(
            JsonNode expected,
            LoraStep step,
            TrainingSpec training,
            boolean masked,
            double lossPercent,
            double normPercent) {
        double rate = training.optimizer().type() == OptimizerType.Prodigy ? 1 : 1e-3;
        for (int k = 0; k < expected.size(); k++) {
            step.train(
                    BatchSource.of(index -> 2, (index, scope) -> batch(index, masked, scope)),
                    k,
                    List.of(Rates.constant(k, rate, 1)));
        }
        List<MeasuredStep> measured = step.log().drain();

        assertThat(measured).hasSize(10);
        for (int k = 0; k < expected.size(); k++) {
            assertThat(measured.get(k).loss())
                    .as("loss of step %d", k)
                    .isCloseTo(expected.get(k).get(0).asDouble(), Percentage.withPercentage(lossPercent));
            assertThat(measured.get(k).gradientNorm())
                    .as("gradient norm of step %d", k)
                    .isCloseTo(expected.get(k).get(1).asDouble(), Percentage.withPercentage(normPercent));
        }
    }

    /** A new one with the script's A. */
    private static LoraAdapter dora(StableDiffusion model, NDManager run) {
        List<Projection> all = model.unet().projections();
        LoraSettings settings = new LoraSettings(AdapterType.DoRA, 4, 8, false, 0, List.of("Attention"), List.of());
        Map<String, LoraAdapter.Factors> begin = fresh(all, run);
        return LoraAdapter.create(LoraAdapter.plan(all, settings, begin), settings, 0, begin, model::weight, run);
    }

    private static Batch batch(long k, boolean masked, NDManager scope) {
        NDArray latents = Randomness.normal(scope, 100 + k, new Shape(2, 4, 16, 16));
        NDArray noise = Randomness.normal(scope, 200 + k, new Shape(2, 4, 16, 16));
        NDArray text = Randomness.normal(scope, 300 + k, new Shape(2, 77, 128));
        NDArray logits = Randomness.normal(scope, 400 + k, new Shape(2, 1, 16, 16));
        int[] timesteps = {(int) (97 * k + 50) % 1000, (int) (389 * k + 700) % 1000};
        return BatchBuilder.builder()
                .latents(latents)
                .noise(noise)
                .inputNoise(noise)
                .timesteps(timesteps)
                .told(new Told.Embedded(Conditioning.of(text)))
                .weights(new float[] {1, 1})
                .mask(masked ? logits.neg().exp().add(1).pow(-1) : null)
                .build();
    }

    private static Map<String, LoraAdapter.Factors> fresh(List<Projection> projections, NDManager run) {
        List<Projection> sorted = projections.stream()
                .filter(p -> p.group() == Projection.Group.Attention)
                // peft puts .lora_A behind the path, which orders to_out.0 as here.
                .sorted(java.util.Comparator.comparing(Projection::path))
                .toList();
        Map<String, LoraAdapter.Factors> factors = new HashMap<>();
        for (int i = 0; i < sorted.size(); i++) {
            Projection p = sorted.get(i);
            NDArray down =
                    Randomness.normal(run, 1000 + i, new Shape(4, p.in())).div(4);
            NDArray up = run.zeros(new Shape(p.out(), 4));
            factors.put(p.path(), new LoraAdapter.Factors(4, 8, LazyTensor.of(down), LazyTensor.of(up)));
        }
        return factors;
    }

    @Test
    void picturesAreThoseOfDiffusers() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, manager)) {
            assertClose(draw(model, null, manager), "cat.png");
        }
    }

    @Test
    void picturesWithALoraAreThoseOfDiffusersInEitherForm(@org.junit.jupiter.api.io.TempDir Path folder)
            throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, manager);
                LoraAdapter adapter = AdapterFiles.read(GOLDENS.resolve("lora.safetensors"), model, manager)) {
            assertClose(draw(model, adapter, manager), "cat-lora.png");
            for (AdapterFormat format : List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)) {
                Path file = folder.resolve(format + ".safetensors");
                Exports.write(file, format, adapter, ExportMetadata.of("lora", "emoji-sd", model, 64));
                try (LoraAdapter again = AdapterFiles.read(file, model, manager)) {
                    assertClose(draw(model, again, manager), "cat-lora.png");
                }
            }
            assertThat(farthest(draw(model, adapter, manager), Picture.read(GOLDENS.resolve("cat.png"))))
                    .as("the adapter changes the picture")
                    .isGreaterThan(30);
        }
    }

    private static Picture draw(
            StableDiffusion model, @org.jspecify.annotations.Nullable LoraAdapter adapter, NDManager manager) {
        return new ImageSampler(model, 10, 5, 128)
                .draw(List.of(new PromptSpec("an emoji of a cat face", "", 1L)), adapter, manager)
                .get(0);
    }

    private static void assertClose(Picture picture, String golden) {
        assertThat(farthest(picture, Picture.read(GOLDENS.resolve(golden)))).isCloseTo(0, within(2));
    }

    private static int farthest(Picture a, Picture b) {
        assertThat(a.rgb()).hasSameSizeAs(b.rgb());
        int farthest = 0;
        for (int i = 0; i < a.rgb().length; i++) {
            farthest = Math.max(farthest, Math.abs((a.rgb()[i] & 0xff) - (b.rgb()[i] & 0xff)));
        }
        return farthest;
    }
}
