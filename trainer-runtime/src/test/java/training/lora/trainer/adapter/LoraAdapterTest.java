package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.AdapterFormat;
import training.lora.api.AdapterOverrideSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportMetadataBuilder;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Delta;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.model.unet.UNetConfigBuilder;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;

class LoraAdapterTest {
    private static final List<String> GROUPS = List.of("Attention", "FeedForward", "Convolution");

    private static NDArray predict(UNet unet, ProjectionDeltas deltas, NDManager scope) {
        return unet.forward(
                Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                scope.create(new float[] {3, 700}),
                Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                deltas);
    }

    private static List<Delta.LowRank> deltas(LoraAdapter adapter, NDManager scope) {
        return adapter.bind(scope).byPath().values().stream()
                .map(Delta.LowRank.class::cast)
                .toList();
    }

    @Test
    void zeroLoraBLeavesOutputUnchangedBesideEveryTarget() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter adapter =
                        LoraAdapter.create(unet.projections(), new LoraSettings(4, 8, GROUPS), 5, manager)) {
            NDArray plain = predict(unet, ProjectionDeltas.NONE, manager);

            assertThat(predict(unet, adapter.bind(manager), manager).toFloatArray())
                    .containsExactly(plain.toFloatArray());
        }
    }

    @Test
    void rankStabilizedScaleIsAlphaOverTheRootOfTheRank() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(),
                        new LoraSettings(16, 8, true, 0, List.of("Attention"), List.of()),
                        5,
                        manager)) {
            assertThat(deltas(adapter, manager)).allMatch(d -> d.scale() == 8 / 4.0);
            assertThat(adapter.factors().values()).allMatch(f -> f.alpha() / f.rank() == 8 / 4.0);
        }
    }

    @Test
    void normIsThatOfTheProductsAndNotOfTheFactors() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter adapter =
                        LoraAdapter.create(unet.projections(), new LoraSettings(4, 8, GROUPS), 5, manager)) {
            assertThat(adapter.norms()).containsExactly(Map.entry(Component.UNet, 0.0));

            Copy.into(
                    adapter.parameters(),
                    Randomness.normal(manager, 7, adapter.parameters().getShape()));
            double squares = 0;
            for (Delta.LowRank delta : deltas(adapter, manager)) {
                NDArray product = delta.up()
                        .toType(DataType.FLOAT64, true)
                        .matMul(delta.down().toType(DataType.FLOAT64, true));
                squares += Math.pow(delta.scale(), 2) * product.square().sum().getDouble();
            }

            assertThat(adapter.norms().get(Component.UNet)).isCloseTo(Math.sqrt(squares), withinPercentage(0.001));
            // B falls to a hundredth: the factors' norm hardly changes, the product's does.
            double before = adapter.norms().getOrDefault(Component.UNet, 0.0);
            deltas(adapter, manager).forEach(d -> d.up().muli(0.01));
            assertThat(adapter.norms().get(Component.UNet)).isCloseTo(0.01 * before, withinPercentage(0.001));
        }
    }

    private static float[] recorded(UNet unet, LoraAdapter adapter, long step, NDManager scope) {
        return unet.record(
                        Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                        scope.create(new float[] {3, 700}),
                        Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                        adapter.bind(scope, step, new Dropouts.Times(new int[] {3}, 1000)))
                .output()
                .toFloatArray();
    }

    @Test
    void dropoutFollowsFromSeedAndStepAndIsOffOutsideTraining() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter source = LoraAdapter.create(
                        unet.projections(), new LoraSettings(4, 8, List.of("Attention")), 5, manager)) {
            Map<String, LoraAdapter.Factors> factors = new HashMap<>();
            source.factors().forEach((path, f) -> {
                LazyTensor up = LazyTensor.of(manager.full(f.up().shape(), 0.1f));
                factors.put(path, new LoraAdapter.Factors(f.rank(), f.alpha(), f.down(), up));
            });
            try (LoraAdapter dropping = LoraAdapter.of(unet.projections(), factors, 0.5, 11, manager)
                            .trainable();
                    LoraAdapter plain = LoraAdapter.of(unet.projections(), factors, manager)) {
                float[] first = recorded(unet, dropping, 1, manager);

                Randomness.normal(manager, 99, new Shape(3));

                assertThat(recorded(unet, dropping, 1, manager)).containsExactly(first);
                assertThat(recorded(unet, dropping, 2, manager)).isNotEqualTo(first);
                assertThat(predict(unet, dropping.bind(manager), manager).toFloatArray())
                        .containsExactly(
                                predict(unet, plain.bind(manager), manager).toFloatArray());
            }
        }
    }

    @Test
    void factorsAreReadAModuleAtATime() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            List<NDManager> scopes = new ArrayList<>();
            Map<String, LoraAdapter.Factors> factors = new HashMap<>();
            for (Projection p : unet.projections()) {
                LazyTensor down = new LazyTensor(p.downShape(2), DataType.FLOAT32, scope -> {
                    assertThat(scopes).noneMatch(NDManager::isOpen);
                    scopes.add(scope);
                    return Randomness.normal(scope, p.path().hashCode(), p.downShape(2));
                });
                LazyTensor up = new LazyTensor(p.upShape(2), DataType.FLOAT32, scope -> scope.ones(p.upShape(2)));
                factors.put(p.path(), new LoraAdapter.Factors(2, 2, down, up));
            }

            try (LoraAdapter adapter = LoraAdapter.of(unet.projections(), factors, manager)) {
                assertThat(scopes).hasSameSizeAs(unet.projections());
                adapter.factors().forEach((path, f) -> {
                    assertThat(f.down().in(manager).toFloatArray())
                            .containsExactly(Randomness.normal(
                                            manager, path.hashCode(), f.down().shape())
                                    .toFloatArray());
                    assertThat(f.up().in(manager).toFloatArray()).containsOnly(1);
                });
            }
        }
    }

    @Test
    void startsGaussianWithDeviationOneOverRank() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(), new LoraSettings(8, 8, List.of("Attention")), 5, manager)) {
            double squares = 0;
            long count = 0;
            for (LoraAdapter.Factors f : adapter.factors().values()) {
                for (float a : f.down().in(manager).toFloatArray()) {
                    squares += (double) a * a;
                    count++;
                }
                assertThat(f.up().in(manager).toFloatArray()).containsOnly(0);
            }

            assertThat(count).isGreaterThan(1000);
            assertThat(Math.sqrt(squares / count) * 8).isBetween(0.95, 1.05);
        }
    }

    private static List<Projection> chosen(List<Projection> all, String... targets) {
        return new LoraSettings(4, 4, List.of(targets))
                .select(all).stream().map(LoraSettings.Chosen::projection).toList();
    }

    @Test
    void targetsAreGroupsOrPatterns() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            List<Projection> all = unet.projections();

            assertThat(chosen(all, GROUPS.toArray(String[]::new))).isEqualTo(all);
            assertThat(chosen(all, "Attention")).isNotEmpty().allMatch(p -> p.path()
                    .matches(".*attn[12]\\.to_(q|k|v|out\\.0)"));
            assertThat(chosen(all, "*.attn2.to_k", "*.attn2.to_v"))
                    .hasSize(chosen(all, "Attention").size() / 4)
                    .allMatch(p -> p.in() == 24);
        }
    }

    @Test
    void groupsHoldTheModulesThatKohyaAdaptsInStableDiffusion15() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(
                        UNetConfigBuilder.builder()
                                .sampleSize(8)
                                .channels(4)
                                .contextWidth(16)
                                .widths(List.of(8, 8, 8, 8))
                                .attention(List.of(true, true, true, false))
                                .layers(2)
                                .heads(List.of(1, 1, 1, 1))
                                .transformerLayers(List.of(1, 1, 1, 1))
                                .groups(4)
                                .normEps(1e-5)
                                .linearProjection(false)
                                .build(),
                        3,
                        manager)) {
            List<Projection> all = unet.projections();

            assertThat(chosen(all, "Attention")).hasSize(128);
            // UNET_TARGET_REPLACE_MODULE of kohya's networks.lora
            assertThat(chosen(all, "Attention", "FeedForward")).hasSize(192);
            // 22 ResNets of two convolutions and a map of the time, their shortcuts, and samplers
            assertThat(chosen(all, "*.conv2")).hasSize(22);
            assertThat(chosen(all, "*.time_emb_proj")).hasSize(22);
            assertThat(chosen(all, "*samplers.0.conv")).hasSize(6);
        }
    }

    @Test
    void targetThatMatchesNothingIsRefusedWithNearNames() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            List<Projection> all = unet.projections();

            assertThatThrownBy(() -> chosen(all, "Attention", "*.attn2.to_kk"))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("`spec.training.adapter.targets[1]`")
                    .hasMessageContaining("\"*.attn2.to_kk\"")
                    .hasMessageContaining("near are *.attn2.to_k, ");
            assertThatThrownBy(() -> chosen(all, "attention")).hasMessageContaining("near are Attention, ");
        }
    }

    @Test
    void lastOverrideThatMatchesGivesRankAndAlpha() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            List<AdapterOverrideSpec> overrides = List.of(
                    new AdapterOverrideSpec("Convolution", 2, 1.0, null),
                    new AdapterOverrideSpec("*.conv2", null, 3.0, null));
            LoraSettings settings = new LoraSettings(4, 8, false, 0, GROUPS, overrides);

            assertThat(settings.select(unet.projections())).allSatisfy(c -> {
                boolean convolution = c.projection().group() == Projection.Group.Convolution;
                boolean second = c.projection().path().endsWith(".conv2");
                assertThat(c.rank()).isEqualTo(convolution ? 2 : 4);
                assertThat(c.alpha()).isEqualTo(second ? 3 : convolution ? 1 : 8);
            });
            assertThatThrownBy(() -> new LoraSettings(4, 4, false, 0, List.of("Attention"), overrides)
                            .select(unet.projections()))
                    .hasMessageContaining("`spec.training.adapter.overrides[0].target`");
        }
    }

    @Test
    void rankAboveAModulesSizeIsRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager)) {
            assertThatThrownBy(() -> new LoraSettings(25, 4, List.of("Attention")).select(unet.projections()))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining("`spec.training.adapter.rank` must be at most 24")
                    .hasMessageContaining("was 25");
        }
    }

    @ParameterizedTest
    @EnumSource(value = AdapterFormat.class, mode = EnumSource.Mode.EXCLUDE, names = "A1111Baked")
    void everyTargetIsReadBackFromItsFile(AdapterFormat format, @TempDir Path folder) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                UNet unet = UNet.random(TinyUNets.TINY, 3, manager);
                LoraAdapter adapter = LoraAdapter.create(
                        unet.projections(),
                        new LoraSettings(
                                4, 8, true, 0, GROUPS, List.of(new AdapterOverrideSpec("Convolution", 2, 1.0, null))),
                        5,
                        manager)) {
            Path file = folder.resolve("lora.safetensors");
            ExportMetadata metadata = ExportMetadataBuilder.builder()
                    .title("lora")
                    .baseModel("tiny")
                    .family(LoraFamily.SD15)
                    .paths(new UNetStateDictAdapter(unet.config()))
                    .resolution(64)
                    .prediction("epsilon")
                    .training(Map.of())
                    .build();

            Exports.write(file, format, adapter, metadata);

            try (AdapterFile opened = AdapterFile.open(file, new UNetStateDictAdapter(unet.config()));
                    LoraAdapter read = LoraAdapter.of(
                            unet.projections(), AdapterFiles.factors(opened, unet.projections()), manager)) {
                assertThat(read.parameters().toFloatArray())
                        .containsExactly(adapter.parameters().toFloatArray());
                assertThat(read.factors().keySet())
                        .containsExactlyElementsOf(adapter.factors().keySet());
                assertThat(alphas(read)).containsExactly(alphas(adapter), within(1e-5));
            }
        }
    }

    private static double[] alphas(LoraAdapter adapter) {
        return adapter.factors().values().stream()
                .mapToDouble(LoraAdapter.Factors::alpha)
                .toArray();
    }
}
