package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Precision;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/** Outputs and gradients of LoHa and LoKr against their formulas; src/test/goldens/lycoris_goldens.py made the goldens. */
class LycorisGoldensTest {
    private static final Path GOLDENS = Path.of("src/test/resources/adapter-goldens");

    /** By the end of its name: the seed of the first module, and what the numbers drawn are multiplied by. */
    private record Drawn(AdapterPart part, long seed, double factor) {}

    private static final Map<String, Drawn> LOHA = Map.of(
            "w1_a", new Drawn(AdapterPart.HadaW1A, 1000, 0.1),
            "w1_b", new Drawn(AdapterPart.HadaW1B, 2000, 1),
            "w2_a", new Drawn(AdapterPart.HadaW2A, 3000, 0.3),
            "w2_b", new Drawn(AdapterPart.HadaW2B, 4000, 1));

    private static final Map<String, Drawn> LOKR = Map.of(
            "w1", new Drawn(AdapterPart.LokrW1, 1000, 0.3),
            "w1_a", new Drawn(AdapterPart.LokrW1A, 1000, 0.5),
            "w1_b", new Drawn(AdapterPart.LokrW1B, 2000, 0.5),
            "w2", new Drawn(AdapterPart.LokrW2, 3000, 0.2),
            "w2_a", new Drawn(AdapterPart.LokrW2A, 3000, 0.5),
            "w2_b", new Drawn(AdapterPart.LokrW2B, 4000, 0.5));

    @ParameterizedTest
    @CsvSource({
        "loha, unet-a, 1",
        "loha, unet-bb, 1",
        "lokr, unet-a, 1",
        "lokr, unet-bb, 1",
        "lokr-whole, unet-a, 3",
        "lokr-whole, unet-bb, 3",
        "lokr-both, unet-a, 0.7",
        "lokr-both, unet-bb, 0.7"
    })
    void outputAndGradientsBesideEveryKindOfModuleAreTheFormulas(String name, String network, double alpha) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS.resolve(name + "-" + network + ".safetensors"));
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(network), Part.UNet), Precision.Float32, manager);
                LoraAdapter adapter = LoraAdapter.of(
                                unet.projections(),
                                factors(golden, unet, name.equals("loha") ? LOHA : LOKR, alpha, manager),
                                manager)
                        .trainable()) {
            UNet.Recording recording = unet.record(
                    Randomness.normal(manager, 1, new Shape(2, 4, 8, 16)),
                    manager.create(new float[] {3, 731}),
                    Conditioning.of(Randomness.normal(
                            manager, 2, new Shape(2, 7, unet.config().contextWidth()))),
                    adapter.bind(manager));
            NDArray y = recording.output();
            assertClose(y, golden.read("output", manager), 1e-4, "output");
            NDArray target = Randomness.normal(manager, 3, y.getShape());
            recording.backward(y.sub(target).mul(2.0 / y.size()));
            assertThat(golden.entries())
                    .hasSize(2
                            + adapter.projections().stream()
                                    .mapToInt(p -> p.kind().parts().size())
                                    .sum());
            for (AdaptedProjection p : adapter.projections()) {
                for (AdapterPart part : p.kind().parts()) {
                    String gradient =
                            p.projection().path() + ".grad" + part.kohya().replaceFirst("\\.(hada|lokr)_", ".");
                    long begin = p.offset(part);
                    assertClose(
                            adapter.gradient().get(begin + ":" + (begin + p.size(part))),
                            golden.read(gradient, manager).flatten(),
                            1e-4,
                            gradient);
                }
            }
        }
    }

    /** The script's parts. */
    private static Map<String, LoraAdapter.Factors> factors(
            SafeTensors golden, UNet unet, Map<String, Drawn> drawn, double alpha, NDManager manager) {
        List<Projection> sorted = unet.projections().stream()
                .filter(p -> golden.entries().keySet().stream().anyMatch(n -> n.startsWith(p.path() + ".grad.")))
                .sorted(Comparator.comparing(Projection::path))
                .toList();
        Map<String, LoraAdapter.Factors> factors = new HashMap<>();
        for (int i = 0; i < sorted.size(); i++) {
            Map<AdapterPart, LazyTensor> values = new EnumMap<>(AdapterPart.class);
            Map<AdapterPart, Shape> shapes = new EnumMap<>(AdapterPart.class);
            String prefix = sorted.get(i).path() + ".grad.";
            for (String name : golden.entries().keySet()) {
                if (name.startsWith(prefix)) {
                    Drawn d = Objects.requireNonNull(drawn.get(name.substring(prefix.length())));
                    Shape shape = new Shape(golden.entry(name).shape());
                    shapes.put(d.part(), shape);
                    values.put(
                            d.part(),
                            LazyTensor.of(Randomness.normal(manager, d.seed() + i, shape)
                                    .mul(d.factor())));
                }
            }
            AdapterKind kind = shapes.containsKey(AdapterPart.HadaW1A)
                    ? new Loha(
                            (int) Objects.requireNonNull(shapes.get(AdapterPart.HadaW1B))
                                    .get(0),
                            alpha,
                            false)
                    : Lokr.of(shapes, alpha);
            factors.put(sorted.get(i).path(), new LoraAdapter.Factors(kind, values));
        }
        return factors;
    }
}
