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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/** Laws of LoHa and LoKr beside modules of every kind of the bundled model. */
class LycorisTest {
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

    private static LoraSettings settings(AdapterType type, int rank, double alpha, int factor) {
        return new LoraSettings(type, rank, alpha, false, factor, 0, TARGETS, List.of());
    }

    private static List<Projection> all() {
        List<Projection> all = new ArrayList<>(MODEL.unet().projections());
        all.addAll(MODEL.textProjections());
        return all;
    }

    private static LoraAdapter begun(AdapterType type) {
        return LoraAdapter.create(all(), settings(type, 3, 2, -1), 5, MODEL::weight, MANAGER);
    }

    /** One whose every part was moved. */
    private static LoraAdapter moved(LoraAdapter adapter) {
        NDArray parameters = adapter.parameters();
        parameters.addi(Randomness.normal(MANAGER, 7, parameters.getShape()).mul(0.1));
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

    @ParameterizedTest
    @EnumSource(
            value = AdapterType.class,
            names = {"LoHa", "LoKr"})
    void changesNothingAtFirst(AdapterType type) {
        try (LoraAdapter adapter = begun(type)) {
            assertClose(predict(adapter.bind(MANAGER)), predict(ProjectionDeltas.NONE), 0, "prediction");
            assertClose(embed(adapter.bind(MANAGER)), embed(ProjectionDeltas.NONE), 0, "embedding");
            assertThat(adapter.norms().values())
                    .allSatisfy(norm -> assertThat(norm).isCloseTo(0, within(0.0)));
        }
    }

    /** What ComfyUI's weight adapters make of the tensors of one module, in fp64 as rows. */
    private static NDArray read(SafeTensors file, String module, double scale) {
        NDArray difference;
        if (file.entries().containsKey(module + ".hada_w1_a")) {
            difference = rows(file, module + ".hada_w1_a")
                    .matMul(rows(file, module + ".hada_w1_b"))
                    .mul(rows(file, module + ".hada_w2_a").matMul(rows(file, module + ".hada_w2_b")));
        } else {
            NDArray w1 = rows(file, module + ".lokr_w1");
            NDArray w2 = file.entries().containsKey(module + ".lokr_w2")
                    ? rows(file, module + ".lokr_w2")
                    : rows(file, module + ".lokr_w2_a").matMul(rows(file, module + ".lokr_w2_b"));
            difference = kron(w1, w2);
        }
        return difference.mul(scale);
    }

    private static NDArray rows(SafeTensors file, String name) {
        NDArray value = file.read(name, MANAGER);
        return value.toType(DataType.FLOAT64, true).reshape(value.getShape().get(0), -1);
    }

    private static NDArray kron(NDArray a, NDArray b) {
        Shape x = a.getShape();
        Shape y = b.getShape();
        return a.reshape(x.get(0), 1, x.get(1), 1)
                .mul(b.reshape(1, y.get(0), 1, y.get(1)))
                .reshape(x.get(0) * y.get(0), x.get(1) * y.get(1));
    }

    private static String kohya(Projection p) {
        return (p.component() == Component.UNet ? "lora_unet_" : "lora_te_")
                + p.modulePath().replace('.', '_');
    }

    private Path write(LoraAdapter adapter) throws IOException {
        Path file = folder.resolve("written.safetensors");
        Exports.write(file, AdapterFormat.Kohya, adapter, ExportMetadata.of("x", "emoji-sd", MODEL, 128));
        return file;
    }

    /** With a factor of 1 the second matrix is of the weight's size, and so a product. */
    @ParameterizedTest
    @CsvSource({"LoHa, -1", "LoKr, -1", "LoKr, 1", "LoKr, 4"})
    void fileAddsByItsReadersFormulaWhatWasTrainedAndIsProven(AdapterType type, int factor) throws IOException {
        try (LoraAdapter adapter =
                moved(LoraAdapter.create(all(), settings(type, 3, 2, factor), 5, MODEL::weight, MANAGER))) {
            NDArray prediction = predict(adapter.bind(MANAGER));
            NDArray embedding = embed(adapter.bind(MANAGER));
            NDArray plain = predict(ProjectionDeltas.NONE);
            Map<Component, Double> squares = new HashMap<>();
            List<NDArray> before = new ArrayList<>();
            Path file = write(adapter);
            assertThat(new ExportProof(MODEL, MANAGER)
                            .prove(folder, List.of(file.getFileName().toString()), adapter)
                            .get(0)
                            .difference())
                    .isLessThan(1e-5);
            try (SafeTensors raw = SafeTensors.open(file)) {
                for (AdaptedProjection p : adapter.projections()) {
                    String module = kohya(p.projection());
                    double scale = raw.number(module + ".alpha") / p.rank();
                    NDArray change = read(raw, module, scale);
                    squares.merge(
                            p.projection().component(), change.square().sum().getDouble(), Double::sum);
                    NDArray weight = MODEL.weight(p.projection(), MANAGER);
                    before.add(weight.duplicate());
                    Copy.into(
                            weight,
                            weight.add(change.toType(DataType.FLOAT32, true).reshape(weight.getShape())));
                }
                assertClose(prediction, predict(ProjectionDeltas.NONE), 1e-4, "prediction");
                assertClose(embedding, embed(ProjectionDeltas.NONE), 1e-4, "embedding");
                assertThat(prediction.sub(plain).abs().max().getFloat()).isGreaterThan(1e-2f);
                Map<Component, Double> norms = adapter.norms();
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

    private LoraAdapter start(AdapterType type, int rank, double alpha, int factor, Path from) {
        try (AdapterFile file = AdapterFiles.open(from, MODEL)) {
            LoraSettings settings = settings(type, rank, alpha, factor);
            Map<String, LoraAdapter.Factors> begin = AdapterFiles.factors(file, all());
            return LoraAdapter.create(
                    LoraAdapter.plan(all(), settings, begin), settings, 1, begin, MODEL::weight, MANAGER);
        }
    }

    /** At rank 64 LoKr's second matrices are whole. */
    @ParameterizedTest
    @CsvSource({"LoHa, 3", "LoHa, 5", "LoKr, 3", "LoKr, 5", "LoKr, 64"})
    void beginsWithWhatAFileOfItsKindDoesAtAnotherRankAndAlpha(AdapterType type, int rank) throws IOException {
        try (LoraAdapter given = moved(begun(type));
                LoraAdapter from = start(type, rank, 7, -1, write(given))) {
            assertClose(predict(from.bind(MANAGER)), predict(given.bind(MANAGER)), 1e-4, "prediction");
            assertThat(from.parameters().size())
                    .isGreaterThanOrEqualTo(given.parameters().size());
        }
    }

    @Test
    void whatAFileHasNoPlaceInIsRefusedWithItsField() throws IOException {
        try (LoraAdapter given = moved(begun(AdapterType.LoKr))) {
            Path file = write(given);

            assertThatThrownBy(() -> start(AdapterType.LoRA, 5, 7, -1, file))
                    .isInstanceOf(TrainerException.class)
                    .hasMessage(
                            "`spec.training.adapter.type` must be LoKr where `spec.training.initFrom` is a LoKr, was LoRA");
            // Whatever else its targets lack.
            LoraSettings narrow =
                    new LoraSettings(AdapterType.LoRA, 5, 7, false, 0, List.of("*.attn2.to_q"), List.of());
            try (AdapterFile opened = AdapterFiles.open(file, MODEL)) {
                Map<String, LoraAdapter.Factors> begin = AdapterFiles.factors(opened, all());
                assertThatThrownBy(() -> LoraAdapter.plan(all(), narrow, begin))
                        .hasMessageContaining("must be LoKr where `spec.training.initFrom` is a LoKr, was LoRA");
            }
            assertThatThrownBy(() -> start(AdapterType.LoKr, 5, 7, 2, file))
                    .hasMessageContaining(
                            "`spec.training.adapter.factor` must divide modules as `spec.training.initFrom` does");
            assertThatThrownBy(() -> start(AdapterType.LoKr, 2, 7, -1, file))
                    .hasMessageContaining(
                            "`spec.training.adapter.rank` must be at least that of `spec.training.initFrom`, 3 at ");
        }
    }

    @Test
    void numbersAreDividedAsLycorisDividesThem() {
        assertThat(Lokr.Split.of(320, -1)).isEqualTo(new Lokr.Split(16, 20));
        assertThat(Lokr.Split.of(640, -1)).isEqualTo(new Lokr.Split(20, 32));
        assertThat(Lokr.Split.of(768, -1)).isEqualTo(new Lokr.Split(24, 32));
        assertThat(Lokr.Split.of(1280, -1)).isEqualTo(new Lokr.Split(32, 40));
        assertThat(Lokr.Split.of(2048, -1)).isEqualTo(new Lokr.Split(32, 64));
        assertThat(Lokr.Split.of(320, 8)).isEqualTo(new Lokr.Split(8, 40));
        assertThat(Lokr.Split.of(320, 6)).isEqualTo(new Lokr.Split(5, 64));
        assertThat(Lokr.Split.of(7, 4)).isEqualTo(new Lokr.Split(1, 7));
    }
}
