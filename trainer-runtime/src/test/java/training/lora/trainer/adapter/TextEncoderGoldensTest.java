package training.lora.trainer.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

/**
 * Text encoders that are trained, against peft: from tokens to the denoiser's output, and back to the gradient of every
 * adapter. src/test/goldens/text_encoder_goldens.py made the goldens.
 */
class TextEncoderGoldensTest {
    private static final Path GOLDENS = Path.of("src/test/resources/text-encoder-goldens");
    private static final Path SD15 = Goldens.BUNDLED.resolve("emoji-sd");
    private static final Path SDXL = Goldens.FOLDER.resolve("sdxl");
    private static final List<String> TEXTS = List.of("a cat face in noto style ".repeat(8), "");
    private static final List<String> XL_TEXTS = List.of("two dogs in fog and a cat on it", "a cat");

    @ParameterizedTest
    @CsvSource({"sd15, 75, 0", "sd15-chunks, 150, 1", "sdxl, 75, 0", "sdxl-chunks, 225, 1"})
    void lossGoesBackThroughTheDenoiserIntoEveryAdapterOfTheTextEncoders(String name, int tokens, int skip) {
        boolean xl = name.startsWith("sdxl");
        ModelOptions options = ModelOptions.DEFAULT.withTexts(tokens, skip);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS.resolve(name + ".safetensors"));
                StableDiffusion model = StableDiffusion.open(xl ? SDXL : SD15, options, manager);
                LoraAdapter adapter = adapter(golden, model, manager).trainable()) {
            ProjectionDeltas deltas = adapter.bind(manager);
            PromptEncoder.Recording text =
                    model.prompts().record(manager, xl ? XL_TEXTS : TEXTS, deltas, Keep.LayerStates);
            UNet.Recording recording = model.unet()
                    .recordToText(
                            Randomness.normal(manager, 1, new Shape(2, 4, 8, 16)),
                            manager.create(new float[] {3, 731}),
                            Goldens.told(text.embedding(), manager),
                            deltas);
            NDArray y = recording.output();
            assertClose(y, golden.read("output", manager), 1e-4, "output");
            NDArray target = Randomness.normal(manager, 3, y.getShape());
            recording.backward(y.sub(target).mul(2.0 / y.size()));
            TextEmbedding gradient = recording.toText();
            assertClose(gradient.context(), golden.read("grad.context", manager), 1e-4, "context");
            if (xl) {
                NDArray pooled = Objects.requireNonNull(gradient.pooled());
                assertClose(pooled, golden.read("grad.pooled", manager), 1e-4, "pooled");
            } else {
                assertThat(gradient.pooled()).isNull();
            }
            text.backward(gradient);
            assertThat(golden.entries())
                    .hasSize((xl ? 3 : 2) + 2 * adapter.projections().size());
            adapter.projections().forEach(p -> assertGradients(p, adapter.gradient(), golden, manager));
        }
    }

    private static void assertGradients(AdaptedProjection p, NDArray gradient, SafeTensors golden, NDManager manager) {
        String path = p.projection().path();
        NDArray a = golden.read(path + ".grad.A", manager);
        NDArray b = golden.read(path + ".grad.B", manager);
        long middle = p.offset() + a.size();
        assertClose(gradient.get(p.offset() + ":" + middle), a.flatten(), 1e-4, path + " A");
        assertClose(gradient.get(middle + ":" + (middle + b.size())), b.flatten(), 1e-4, path + " B");
    }

    /** The script's random factors: those of the i-th path have the seeds 1000 + i and 2000 + i. */
    private static LoraAdapter adapter(SafeTensors golden, StableDiffusion model, NDManager manager) {
        List<Projection> all = new ArrayList<>(model.unet().projections());
        all.addAll(model.textProjections());
        List<Projection> sorted = all.stream()
                .filter(p -> golden.entries().containsKey(p.path() + ".grad.A"))
                .sorted(Comparator.comparing(Projection::path))
                .toList();
        Map<String, LoraAdapter.Factors> factors = new HashMap<>();
        for (int i = 0; i < sorted.size(); i++) {
            String path = sorted.get(i).path();
            Shape shape = new Shape(golden.entry(path + ".grad.A").shape());
            int rank = (int) shape.get(0);
            NDArray down = Randomness.normal(manager, 1000 + i, shape).div(rank);
            NDArray up = Randomness.normal(
                            manager,
                            2000 + i,
                            new Shape(golden.entry(path + ".grad.B").shape()))
                    .mul(0.1);
            double alpha = path.endsWith("fc1") ? 3 : 2;
            factors.put(path, new LoraAdapter.Factors(rank, alpha, LazyTensor.of(down), LazyTensor.of(up)));
        }
        return LoraAdapter.of(all, factors, manager);
    }
}
