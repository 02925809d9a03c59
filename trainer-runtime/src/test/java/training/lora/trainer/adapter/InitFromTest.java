package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportMetadataBuilder;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** A training that goes on from an adapter's file. */
class InitFromTest {
    @TempDir
    Path folder;

    private static TrainingSpec training(String adapter) {
        try {
            return Json.STRICT_YAML.readValue("{adapter: {" + adapter + "}}", TrainingSpec.class);
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static NDArray predict(UNet unet, LoraAdapter adapter, NDManager scope) {
        return unet.forward(
                Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                scope.create(new float[] {3, 700}),
                Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                adapter.bind(scope));
    }

    /** Random factors of rank 3 and alpha 2 beside the network's attention and convolutions. */
    private static LoraAdapter trained(UNet unet, NDManager manager) {
        Map<String, LoraAdapter.Factors> factors = new HashMap<>();
        for (Projection p : unet.projections()) {
            if (p.group() != Projection.Group.FeedForward) {
                NDArray down = Randomness.normal(manager, p.path().hashCode(), p.downShape(3));
                NDArray up = Randomness.normal(manager, p.path().hashCode() + 1L, p.upShape(3))
                        .mul(0.1);
                factors.put(p.path(), new LoraAdapter.Factors(3, 2, LazyTensor.of(down), LazyTensor.of(up)));
            }
        }
        return LoraAdapter.of(unet.projections(), factors, manager);
    }

    private static LoraAdapter start(TrainingSpec training, Path from, UNet unet, NDManager manager) {
        try (AdapterFile file = AdapterFile.open(from, new UNetStateDictAdapter(unet.config()))) {
            LoraSettings settings = LoraSettings.of(training.adapter());
            Map<String, LoraAdapter.Factors> begin = AdapterFiles.factors(file, unet.projections());
            return LoraAdapter.create(
                    LoraAdapter.plan(unet.projections(), settings, begin),
                    settings,
                    training.seed(),
                    begin,
                    unet::weight,
                    manager);
        }
    }

    @Test
    void fullDifferencesOfWeightsAreRefusedWithWhatToGiveInstead() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            TrainingSpec training = training("type: DoRA, rank: 2, targets: [Attention]");
            LoraSettings settings = LoraSettings.of(training.adapter());
            Path file = folder.resolve("lora_a1111.safetensors");
            try (LoraAdapter dora = LoraAdapter.create(unet.projections(), settings, 5, unet::weight, manager)) {
                Exports.bake(file, dora, unet::weight, metadata(unet));
            }

            assertThatThrownBy(() -> start(training, file, unet, manager))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining(
                            "`spec.training.initFrom` must be a file of factors, but has full differences of weights, which no training goes on from: give the file of Kohya or Diffusers");
        }
    }

    private Path write(LoraAdapter adapter, UNet unet, AdapterFormat format) throws IOException {
        Path file = folder.resolve("lora.safetensors");
        Exports.write(file, format, adapter, metadata(unet));
        return file;
    }

    private static ExportMetadata metadata(UNet unet) {
        return ExportMetadataBuilder.builder()
                .title("lora")
                .baseModel("tiny")
                .family(LoraFamily.SD15)
                .paths(new UNetStateDictAdapter(unet.config()))
                .resolution(64)
                .prediction("epsilon")
                .training(Map.of())
                .build();
    }

    @ParameterizedTest
    @EnumSource(value = AdapterFormat.class, mode = EnumSource.Mode.EXCLUDE, names = "A1111Baked")
    void beginsWithWhatTheFileDoesAtAHigherRankAndAnotherAlpha(AdapterFormat format) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter trained = trained(unet, manager)) {
            Path file = write(trained, unet, format);
            TrainingSpec training =
                    training("rank: 5, alpha: 7, rankStabilized: true, targets: [Attention, FeedForward, Convolution]");

            try (LoraAdapter adapter = start(training, file, unet, manager)) {
                assertThat(adapter.projections()).hasSize(unet.projections().size());
                assertThat(adapter.projections())
                        .allMatch(p -> p.rank() == 5 && p.kind().alpha() == 7);
                assertClose(
                        predict(unet, adapter, manager),
                        predict(unet, trained, manager),
                        1e-5,
                        "the file's prediction");
            }
        }
    }

    @Test
    void factorsOfTheFileComeFirstScaledToTheNewAlphaAndNewColumnsOfBAreZero() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter trained = trained(unet, manager)) {
            Path file = write(trained, unet, AdapterFormat.Kohya);

            try (LoraAdapter adapter =
                    start(training("rank: 5, alpha: 7, targets: [Attention, Convolution]"), file, unet, manager)) {
                // B of alpha 2 and rank 3 comes to do the same at alpha 7 and rank 5.
                double factor = 2.0 / 3 * 5 / 7;
                Map<String, LoraAdapter.Factors> actual = adapter.factors();
                assertThat(actual).hasSameSizeAs(trained.factors());
                trained.factors().forEach((path, from) -> {
                    LoraAdapter.Factors f = java.util.Objects.requireNonNull(actual.get(path));
                    float[] down = from.down().in(manager).toFloatArray();
                    assertThat(f.down().in(manager).toFloatArray()).startsWith(down);
                    float[] up = from.up().in(manager).toFloatArray();
                    float[] expected = new float[up.length / 3 * 5];
                    for (int i = 0; i < up.length; i++) {
                        expected[i / 3 * 5 + i % 3] = (float) (factor * up[i]);
                    }
                    assertThat(f.up().in(manager).toFloatArray()).containsExactly(expected);
                });
            }
        }
    }

    @Test
    void moduleThatIsNotTargetedAndHigherRankAreRefused() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter trained = trained(unet, manager)) {
            Path file = write(trained, unet, AdapterFormat.Kohya);

            assertThatThrownBy(() -> start(training("rank: 4"), file, unet, manager))
                    .isInstanceOfSatisfying(
                            TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                    .hasMessageContaining("`spec.training.adapter.targets` must cover")
                    .hasMessageContaining("conv");
            assertThatThrownBy(() -> start(training("rank: 2, targets: [Attention, Convolution]"), file, unet, manager))
                    .hasMessageContaining("`spec.training.adapter.rank` must be at least")
                    .hasMessageContaining("was 2");
        }
    }

    @Test
    void fileForAnotherNetworkOrWithForeignTensorsIsRefusedByName() throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                UNet other = UNet.random(TinyUNets.reading(20), 3, manager);
                LoraAdapter trained = trained(unet, manager)) {
            Path file = write(trained, unet, AdapterFormat.Kohya);
            TrainingSpec training = training("targets: [Attention, Convolution]");
            Path foreign = folder.resolve("foreign.safetensors");
            String module = "lora_unet_mid_block_resnets_0_conv1";
            SafeTensorsWriter.write(
                    foreign,
                    Map.of(
                            module + ".lora_down.weight",
                            manager.ones(new Shape(2, 64, 3, 3)),
                            module + ".lora_up.weight",
                            manager.ones(new Shape(64, 2, 1, 1)),
                            module + ".hada_w1_a",
                            manager.ones(new Shape(64, 1, 1, 1))),
                    Map.of());

            assertThatThrownBy(() -> start(training, file, other, manager))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("lora.safetensors must be a LoRA of the base model's family")
                    .hasMessageContaining("attn2.to_k maps 20 to 32 features, the file's 24 to 32");
            assertThatThrownBy(() -> start(training, foreign, unet, manager))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("hada_w1_a, which no LoRA has");
        }
    }
}
