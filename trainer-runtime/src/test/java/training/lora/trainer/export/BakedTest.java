package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.AdapterType;
import training.lora.api.Proof;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/** A DoRA beside modules of every kind as full differences of weights, on both families. */
class BakedTest {
    private static final List<String> TARGETS =
            List.of("mid_block.*", "*samplers.0.conv", "*.conv_shortcut", "text_encoder*.layers.0.*");

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @TempDir
    Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    private StableDiffusion model(String name) {
        Path base = name.equals("sdxl") ? Goldens.FOLDER.resolve(name) : Goldens.BUNDLED.resolve(name);
        return StableDiffusion.open(base, manager);
    }

    /** One whose every part was moved. */
    private LoraAdapter moved(StableDiffusion model) {
        LoraAdapter adapter = LoraAdapter.create(
                AdapterFiles.projections(model, model.unet()),
                new LoraSettings(AdapterType.DoRA, 3, 2, false, 0, TARGETS, List.of()),
                5,
                model::weight,
                manager);
        NDArray parameters = adapter.parameters();
        parameters.addi(Randomness.normal(manager, 7, parameters.getShape()).mul(0.05));
        return adapter;
    }

    private Path bake(LoraAdapter adapter, StableDiffusion model) throws IOException {
        Path file = folder.resolve("x_a1111.safetensors");
        Exports.bake(file, adapter, model::weight, ExportMetadata.of("x", "base", model, 64));
        return file;
    }

    private static NDArray rows(NDArray values, long rows) {
        return values.toType(DataType.FLOAT64, true).reshape(rows, -1);
    }

    private NDArray part(Map<AdapterPart, LazyTensor> values, AdapterPart part, long rows) {
        return rows(Objects.requireNonNull(values.get(part)).in(manager), rows);
    }

    /** m (W + s B A) / |W + s B A| as rows, in fp64. */
    private NDArray decomposed(AdaptedProjection p, LoraAdapter adapter, NDArray frozen) {
        long out = p.projection().out();
        Map<AdapterPart, LazyTensor> values = adapter.values(p);
        NDArray product = part(values, AdapterPart.Up, out).matMul(part(values, AdapterPart.Down, p.rank()));
        NDArray sum = frozen.add(product.mul(p.kind().scale()));
        NDArray norms = sum.square().sum(new int[] {1}, true).sqrt();
        return sum.div(norms).mul(part(values, AdapterPart.Magnitude, out));
    }

    @ParameterizedTest
    @ValueSource(strings = {"emoji-sd", "sdxl"})
    void weightsWithTheDifferencesAreTheDecomposedOnes(String name) throws IOException {
        try (StableDiffusion model = model(name);
                LoraAdapter adapter = moved(model);
                SafeTensors raw = SafeTensors.open(bake(adapter, model))) {
            UNetStateDictAdapter paths = new UNetStateDictAdapter(model.unet().config());
            LoraFamily family = LoraFamily.valueOf(model.family().name());
            for (AdaptedProjection p : adapter.projections()) {
                Projection projection = p.projection();
                NDArray weight = model.weight(projection, manager);
                NDArray frozen = rows(weight, projection.out());
                String diff =
                        KohyaNames.module(family, paths, projection.component(), projection.modulePath()) + ".diff";
                assertThat(raw.entry(diff).shape())
                        .as(diff)
                        .containsExactly(weight.getShape().getShape());
                assertClose(
                        frozen.add(rows(raw.read(diff, manager), projection.out()))
                                .toType(DataType.FLOAT32, false),
                        decomposed(p, adapter, frozen).toType(DataType.FLOAT32, false),
                        1e-6,
                        diff);
            }
            assertThat(raw.entries()).hasSameSizeAs(adapter.projections());
            assertThat(raw.metadata())
                    .containsEntry("ss_network_module", "lycoris.kohya")
                    .containsEntry("ss_network_args", "{\"algo\":\"full\"}")
                    .doesNotContainKeys("ss_network_dim", "ss_network_alpha", "dora_scale_norm");
        }
    }

    /** What the denoiser predicts and the first text encoder makes of a text. */
    private NDList outputs(StableDiffusion model, ProjectionDeltas deltas) {
        NDArray prediction = model.unet()
                .forward(
                        Randomness.normal(manager, 1, new Shape(1, 4, 8, 8)),
                        manager.create(new float[] {700}),
                        Conditioning.of(Randomness.normal(
                                manager,
                                2,
                                new Shape(1, 5, model.unet().config().contextWidth()))),
                        deltas);
        return new NDList(
                prediction,
                model.prompts().encode(manager, List.of("a cat"), deltas).context());
    }

    @Test
    void isReadAndAppliedAsItWasTrainedAndProven() throws IOException {
        try (StableDiffusion model = model("emoji-sd");
                LoraAdapter adapter = moved(model)) {
            Path file = bake(adapter, model);

            try (AdapterFile opened = AdapterFile.open(file);
                    LoraAdapter read = AdapterFiles.read(file, model, manager)) {
                assertThat(opened.what()).isEqualTo("a full difference of weights");
                NDList expected = outputs(model, adapter.bind(manager));
                NDList actual = outputs(model, read.bind(manager));
                NDList plain = outputs(model, ProjectionDeltas.NONE);
                for (int i = 0; i < expected.size(); i++) {
                    assertClose(actual.get(i), expected.get(i), 1e-5, "output " + i);
                    assertThat(expected.get(i).sub(plain.get(i)).abs().max().getFloat())
                            .isGreaterThan(1e-2f);
                }
                Map<?, Double> norms = adapter.norms();
                read.norms().forEach((component, norm) -> assertThat(norm)
                        .isCloseTo(
                                Objects.requireNonNull(norms.get(component)),
                                org.assertj.core.api.Assertions.withinPercentage(0.01)));
            }
            ExportProof proof = new ExportProof(model, manager);
            Proof proven = proof.proveBaked(folder, "x_a1111.safetensors", adapter);
            assertThat(proven.difference()).isLessThan(1e-6);
            assertThat(proven.tolerance()).isEqualTo(1e-5);
            assertThat(proven.sha256()).isEqualTo(Sha256.of(file));
            adapter.parameters().get(new NDIndex("-1:")).muli(1.001f);
            assertThatThrownBy(() -> proof.proveBaked(folder, "x_a1111.safetensors", adapter))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("must do what was trained, within 1.0E-5 of the output, but differs by");
        }
    }
}
