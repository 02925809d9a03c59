package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterType;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportProof;
import training.lora.trainer.export.Exports;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Laws of DoRA beside modules of every kind of the bundled model. */
class DoraTest {
    /** A module of each kind. */
    private static final List<String> TARGETS =
            List.of("mid_block.*", "*samplers.0.conv", "*.conv_shortcut", "text_encoder.text_model.encoder.layers.0.*");

    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");
    private static final StableDiffusion MODEL = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), MANAGER);

    @TempDir
    Path folder;

    @AfterAll
    static void close() {
        MODEL.close();
        MANAGER.close();
    }

    private static LoraSettings settings(AdapterType type, int rank, double alpha) {
        return new LoraSettings(type, rank, alpha, false, 0, TARGETS, List.of());
    }

    private static List<Projection> all() {
        List<Projection> all = new java.util.ArrayList<>(MODEL.unet().projections());
        all.addAll(MODEL.textProjections());
        return all;
    }

    private static LoraAdapter begun() {
        return LoraAdapter.create(all(), settings(AdapterType.DoRA, 3, 2), 5, MODEL::weight, MANAGER);
    }

    /** One whose every part was moved. */
    private static LoraAdapter moved() {
        LoraAdapter adapter = begun();
        NDArray parameters = adapter.parameters();
        parameters.addi(Randomness.normal(MANAGER, 7, parameters.getShape()).mul(0.05));
        return adapter;
    }

    private static NDArray predict(ProjectionDeltas deltas) {
        return MODEL.unet()
                .forward(
                        Randomness.normal(MANAGER, 1, new Shape(2, 4, 8, 8)),
                        MANAGER.create(new float[] {3, 700}),
                        Conditioning.of(Randomness.normal(MANAGER, 2, new Shape(2, 5, 128))),
                        deltas);
    }

    private static NDArray embed(ProjectionDeltas deltas) {
        return MODEL.prompts().encode(MANAGER, List.of("a cat"), deltas).context();
    }

    @Test
    void changesNothingAtFirst() {
        try (LoraAdapter adapter = begun()) {
            assertClose(predict(adapter.bind(MANAGER)), predict(ProjectionDeltas.NONE), 1e-5, "prediction");
            assertClose(embed(adapter.bind(MANAGER)), embed(ProjectionDeltas.NONE), 1e-5, "embedding");
            assertThat(adapter.norms().values())
                    .allSatisfy(norm -> assertThat(norm).isCloseTo(0, within(1e-4)));
        }
    }

    /** A weight as rows, with s B A added, and what DoRA makes of it, in fp64. */
    private record Merged(NDArray frozen, NDArray sum, NDArray merged) {
        static NDArray norms(NDArray rows) {
            return rows.square().sum(new int[] {1}, true).sqrt();
        }

        static Merged of(AdaptedProjection p, LoraAdapter adapter) {
            Projection projection = p.projection();
            Map<AdapterPart, LazyTensor> values = adapter.values(p);
            NDArray frozen = rows(MODEL.weight(projection, MANAGER), projection.out());
            NDArray up = rows(part(values, AdapterPart.Up), projection.out());
            NDArray down = rows(part(values, AdapterPart.Down), p.rank());
            NDArray sum = frozen.add(up.matMul(down).mul(p.kind().scale()));
            NDArray magnitude = rows(part(values, AdapterPart.Magnitude), projection.out());
            return new Merged(frozen, sum, sum.div(norms(sum)).mul(magnitude));
        }

        private static NDArray part(Map<AdapterPart, LazyTensor> values, AdapterPart part) {
            return java.util.Objects.requireNonNull(values.get(part)).in(MANAGER);
        }

        static NDArray rows(NDArray values, long rows) {
            return values.toType(DataType.FLOAT64, true).reshape(rows, -1);
        }
    }

    @Test
    void actsAsTheMergedWeightsAndItsNormIsThatOfTheChange() {
        try (LoraAdapter adapter = moved()) {
            NDArray prediction = predict(adapter.bind(MANAGER));
            NDArray embedding = embed(adapter.bind(MANAGER));
            NDArray plain = predict(ProjectionDeltas.NONE);
            Map<Component, Double> norms = adapter.norms();
            Map<Component, Double> squares = new HashMap<>();
            List<NDArray> before = new java.util.ArrayList<>();
            for (AdaptedProjection p : adapter.projections()) {
                NDArray weight = MODEL.weight(p.projection(), MANAGER);
                Merged merged = Merged.of(p, adapter);
                before.add(weight.duplicate());
                squares.merge(
                        p.projection().component(),
                        merged.merged().sub(merged.frozen()).square().sum().getDouble(),
                        Double::sum);
                Copy.into(weight, merged.merged().toType(DataType.FLOAT32, true).reshape(weight.getShape()));
            }
            try {
                assertClose(prediction, predict(ProjectionDeltas.NONE), 1e-4, "prediction");
                assertClose(embedding, embed(ProjectionDeltas.NONE), 1e-4, "embedding");
                assertThat(prediction.sub(plain).abs().max().getFloat()).isGreaterThan(1e-2f);
                assertThat(norms).hasSize(2);
                norms.forEach((component, norm) -> assertThat(norm)
                        .isCloseTo(Math.sqrt(squares.getOrDefault(component, 0.0)), withinPercentage(0.01)));
            } finally {
                for (int i = 0; i < before.size(); i++) {
                    Copy.into(MODEL.weight(adapter.projections().get(i).projection(), MANAGER), before.get(i));
                }
            }
        }
    }

    private Path write(LoraAdapter adapter, AdapterFormat format) throws IOException {
        Path file = folder.resolve(format + ".safetensors");
        Exports.write(file, format, adapter, ExportMetadata.of("x", "emoji-sd", MODEL, 128));
        return file;
    }

    @ParameterizedTest
    @EnumSource(value = AdapterFormat.class, mode = EnumSource.Mode.EXCLUDE, names = "A1111Baked")
    void readersFormulasComeToWhatWasTrainedAndTheFileIsProven(AdapterFormat format) throws IOException {
        try (LoraAdapter adapter = moved()) {
            Path file = write(adapter, format);

            try (AdapterFile opened = AdapterFiles.open(file, MODEL);
                    SafeTensors raw = SafeTensors.open(file)) {
                assertThat(opened.what()).isEqualTo("a DoRA");
                Map<String, AdapterModule> modules = new HashMap<>();
                opened.modules()
                        .forEach(m -> modules.put(
                                Projection.path(m.form().component(), m.form().path()), m));
                for (AdaptedProjection p : adapter.projections()) {
                    Projection projection = p.projection();
                    Merged merged = Merged.of(p, adapter);
                    AdapterModule module = java.util.Objects.requireNonNull(modules.get(projection.path()));
                    NDArray magnitude =
                            Merged.rows(module.value(AdapterPart.Magnitude).in(MANAGER), projection.out());
                    // ComfyUI's weight_decompose, and peft's.
                    NDArray norm = Merged.norms(format == AdapterFormat.Kohya ? merged.frozen() : merged.sum());
                    assertClose(
                            merged.sum().mul(magnitude).div(norm).toType(DataType.FLOAT32, true),
                            merged.merged().toType(DataType.FLOAT32, true),
                            1e-5,
                            projection.path());
                }
                String end =
                        format == AdapterFormat.Kohya ? AdapterPart.Magnitude.kohya() : AdapterPart.Magnitude.peft();
                String linear = format == AdapterFormat.Kohya
                        ? "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
                        : "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
                String convolution = format == AdapterFormat.Kohya
                        ? "lora_unet_mid_block_resnets_0_conv1"
                        : "unet.mid_block.resnets.0.conv1";
                long out = MODEL.unet()
                        .config()
                        .widths()
                        .get(MODEL.unet().config().widths().size() - 1);
                assertThat(raw.entry(linear + end).shape())
                        .containsExactly(format == AdapterFormat.Kohya ? new long[] {out, 1} : new long[] {out});
                assertThat(raw.entry(convolution + end).shape())
                        .containsExactly(
                                format == AdapterFormat.Kohya ? new long[] {out, 1, 1, 1} : new long[] {1, out, 1, 1});
                if (format == AdapterFormat.Diffusers) {
                    assertThat(raw.metadata().get("lora_adapter_metadata"))
                            .contains("\"unet.use_dora\":true", "\"text_encoder.use_dora\":true");
                }
            }
            assertThat(new ExportProof(MODEL, MANAGER)
                            .prove(folder, List.of(file.getFileName().toString()), adapter)
                            .get(0)
                            .difference())
                    .isLessThan(1e-5);
        }
    }

    private LoraAdapter start(AdapterType type, int rank, double alpha, Path from) {
        try (AdapterFile file = AdapterFiles.open(from, MODEL)) {
            LoraSettings settings = settings(type, rank, alpha);
            Map<String, LoraAdapter.Factors> begin = AdapterFiles.factors(file, all());
            return LoraAdapter.create(
                    LoraAdapter.plan(all(), settings, begin), settings, 1, begin, MODEL::weight, MANAGER);
        }
    }

    @Test
    void beginsWithWhatADoraOrALoraDoesAtAHigherRankAndAnotherAlpha() throws IOException {
        try (LoraAdapter dora = moved();
                LoraAdapter lora =
                        LoraAdapter.create(all(), settings(AdapterType.LoRA, 3, 2), 5, MODEL::weight, MANAGER)) {
            NDArray parameters = lora.parameters();
            parameters.addi(Randomness.normal(MANAGER, 8, parameters.getShape()).mul(0.05));
            for (AdapterFormat format : List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)) {
                try (LoraAdapter from = start(AdapterType.DoRA, 5, 7, write(dora, format))) {
                    assertClose(predict(from.bind(MANAGER)), predict(dora.bind(MANAGER)), 1e-4, "a DoRA's");
                }
            }
            Path file = write(lora, AdapterFormat.Kohya);
            try (LoraAdapter from = start(AdapterType.DoRA, 5, 7, file)) {
                assertClose(predict(from.bind(MANAGER)), predict(lora.bind(MANAGER)), 1e-4, "a LoRA's");
                assertThat(from.projections()).allMatch(p -> p.kind() instanceof Dora);
            }
            Path written = write(dora, AdapterFormat.Kohya);
            assertThatThrownBy(() -> start(AdapterType.LoRA, 5, 7, written))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("`spec.training.adapter.type` must be DoRA")
                    .hasMessageContaining("was LoRA");
        }
    }

    private Path foreign(String magnitude, long... shape) throws IOException {
        String module = magnitude.startsWith("lora_unet")
                ? "lora_unet_mid_block_resnets_0_conv1"
                : "unet.mid_block.resnets.0.conv1";
        boolean kohya = magnitude.startsWith("lora_unet");
        Path file = folder.resolve("foreign.safetensors");
        SafeTensorsWriter.write(
                file,
                Map.of(
                        module + (kohya ? ".lora_down.weight" : ".lora_A.weight"),
                        MANAGER.ones(new Shape(2, 4, 3, 3)),
                        module + (kohya ? ".lora_up.weight" : ".lora_B.weight"),
                        MANAGER.ones(new Shape(4, 2, 1, 1)),
                        magnitude.replace("MODULE", module.replace("lora_unet_", "")),
                        MANAGER.ones(new Shape(shape))),
                Map.of());
        return file;
    }

    private static Dora.@Nullable Norm norm(Path path) {
        try (AdapterFile file = AdapterFile.open(path)) {
            return file.modules().get(0).form().kind() instanceof Dora dora ? dora.norm() : null;
        }
    }

    @Test
    void magnitudesOfOtherTrainersAreReadAsTheirsAndThoseOfInputsAreRefused() throws IOException {
        assertThat(norm(foreign("lora_unet_MODULE.dora_scale", 4, 1, 1, 1))).isEqualTo(Dora.Norm.Adapted);
        assertThat(norm(foreign("MODULE.lora_magnitude_vector", 1, 4, 1, 1))).isEqualTo(Dora.Norm.Adapted);
        assertThat(norm(foreign("MODULE.lora_magnitude_vector.default.weight", 1, 4, 1, 1)))
                .isEqualTo(Dora.Norm.Adapted);
        assertThatThrownBy(() -> norm(foreign("lora_unet_MODULE.dora_scale", 1, 4, 1, 1)))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining(
                        "mid_block.resnets.0.conv1 must have a magnitude of each of its 4 outputs, as DoRA on the output axis has, but its shape is (1, 4, 1, 1)");
    }
}
