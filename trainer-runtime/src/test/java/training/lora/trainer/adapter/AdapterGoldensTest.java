package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/** Outputs and gradients of adapters against peft; src/test/goldens/adapter_goldens.py and dora_goldens.py made the goldens. */
class AdapterGoldensTest {
    private static final Path GOLDENS = Path.of("src/test/resources/adapter-goldens");

    @Test
    void rankStabilizedLoraWithDropoutIsPefts() {
        // As a file has peft's alpha of 2.
        check("dropout", "unet-a", path -> 2 * Math.sqrt(4), 0.3, 77);
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb"})
    void everyTargetWithRanksAndAlphasOfItsOwnIsPefts(String network) {
        check("all-" + network, network, AdapterGoldensTest::alpha, 0, 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb"})
    void everyTargetWithDropoutIsPefts(String network) {
        check("all-dropout-" + network, network, AdapterGoldensTest::alpha, 0.25, 78);
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb"})
    void doraBesideEveryTargetIsPefts(String network) {
        check("dora-" + network, network, AdapterGoldensTest::alpha, 0, 0);
    }

    /** src/test/goldens/quantized_goldens.py made these. */
    @ParameterizedTest
    @CsvSource({
        "int8-unet-bb, unet-bb, Int8",
        "int8-dora-unet-a, unet-a, Int8",
        "fp8-unet-bb, unet-bb, Fp8",
        "fp8-dora-unet-a, unet-a, Fp8"
    })
    void besideQuantizedWeightsItIsPeftsBesideWhatTheseComeTo(String name, String network, BaseWeights form) {
        check(name, network, form, path -> 2, 0, 0);
    }

    /** The script's alpha_pattern. */
    private static double alpha(String path) {
        return path.endsWith(".conv1") ? 1 : path.endsWith("attn2.to_k") ? 5 : 2;
    }

    private static void check(String name, String network, ToDoubleFunction<String> alpha, double dropout, long seed) {
        check(name, network, BaseWeights.Full, alpha, dropout, seed);
    }

    private static void check(
            String name, String network, BaseWeights form, ToDoubleFunction<String> alpha, double dropout, long seed) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS.resolve(name + ".safetensors"));
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(network), Part.UNet), Precision.Float32, form, manager);
                LoraAdapter adapter = LoraAdapter.of(
                                unet.projections(),
                                factors(golden, unet, alpha, manager),
                                unet::weight,
                                dropout,
                                0,
                                manager)
                        .trainable()) {
            ProjectionDeltas deltas = new ProjectionDeltas(
                    adapter.bind(manager, 0, new Dropouts.Times(new int[] {3, 731}, 1000))
                            .byPath(),
                    seed);
            UNet.Recording recording = unet.record(
                    Randomness.normal(manager, 1, new Shape(2, 4, 8, 16)),
                    manager.create(new float[] {3, 731}),
                    Conditioning.of(Randomness.normal(
                            manager, 2, new Shape(2, 7, unet.config().contextWidth()))),
                    deltas);
            NDArray y = recording.output();
            assertClose(y, golden.read("output", manager), 1e-4, "output");
            NDArray target = Randomness.normal(manager, 3, y.getShape());
            recording.backward(y.sub(target).mul(2.0 / y.size()));
            int parts = adapter.projections().get(0).kind().parts().size();
            assertThat(golden.entries())
                    .hasSize(2 + parts * adapter.projections().size());
            for (AdaptedProjection p : adapter.projections()) {
                String path = p.projection().path();
                NDArray a = golden.read(path + ".grad.A", manager);
                NDArray b = golden.read(path + ".grad.B", manager);
                long middle = p.offset() + a.size();
                NDArray gradient = adapter.gradient();
                assertClose(gradient.get(p.offset() + ":" + middle), a.flatten(), 1e-4, path + " A");
                long end = middle + b.size();
                assertClose(gradient.get(middle + ":" + end), b.flatten(), 1e-4, path + " B");
                if (p.kind() instanceof Dora) {
                    NDArray m = golden.read(path + ".grad.magnitude", manager);
                    assertClose(gradient.get(end + ":" + (end + m.size())), m.flatten(), 1e-4, path + " magnitude");
                }
            }
        }
    }

    /** The script's random factors: those of the i-th path have the seeds 1000 + i and 2000 + i. */
    private static Map<String, LoraAdapter.Factors> factors(
            SafeTensors golden, UNet unet, ToDoubleFunction<String> alpha, NDManager manager) {
        List<Projection> sorted = unet.projections().stream()
                .filter(p -> golden.entries().containsKey(p.path() + ".grad.A"))
                .sorted(Comparator.comparing(Projection::path))
                .toList();
        Map<String, LoraAdapter.Factors> factors = new HashMap<>();
        for (int i = 0; i < sorted.size(); i++) {
            Projection p = sorted.get(i);
            Shape shape = shape(golden, p.path() + ".grad.A");
            int rank = (int) shape.get(0);
            NDArray down = Randomness.normal(manager, 1000 + i, shape).div(rank);
            NDArray up = Randomness.normal(manager, 2000 + i, shape(golden, p.path() + ".grad.B"))
                    .mul(0.1);
            LoraAdapter.Factors lora = new LoraAdapter.Factors(
                    rank, alpha.applyAsDouble(p.path()), LazyTensor.of(down), LazyTensor.of(up));
            factors.put(
                    p.path(),
                    golden.entries().containsKey(p.path() + ".grad.magnitude")
                            ? dora(lora, p, 3000 + i, manager)
                            : lora);
        }
        return factors;
    }

    private static LoraAdapter.Factors dora(LoraAdapter.Factors lora, Projection p, long seed, NDManager manager) {
        Map<AdapterPart, LazyTensor> values = new HashMap<>(lora.values());
        NDArray magnitude =
                Randomness.normal(manager, seed, new Shape(p.out())).mul(0.1).add(0.6);
        values.put(AdapterPart.Magnitude, LazyTensor.of(magnitude));
        return new LoraAdapter.Factors(new Dora((Lora) lora.kind(), Dora.Norm.Adapted), values);
    }

    private static Shape shape(SafeTensors golden, String name) {
        return new Shape(golden.entry(name).shape());
    }
}
