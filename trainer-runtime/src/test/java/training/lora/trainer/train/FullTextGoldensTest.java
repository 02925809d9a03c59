package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.TrainingSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.GradientGoldens;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.TrainedPrompts;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.unet.TrainedUNet;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.optimizer.FusedOptimizer;
import training.lora.trainer.train.optimizer.LearningRates;
import training.lora.trainer.train.optimizer.Rates;

/** The own weights of text encoders and denoiser, against what full_text_goldens.py wrote. */
class FullTextGoldensTest {
    private static final Path SD15 = Goldens.BUNDLED.resolve("emoji-sd");
    private static final Path SDXL = Goldens.FOLDER.resolve("sdxl");
    private static final List<String> TEXTS = List.of("a cat face in noto style ".repeat(8), "");
    private static final List<String> XL_TEXTS = List.of("two dogs in fog and a cat on it", "a cat");
    private static final int STEPS = 10;

    /** Numbers of a gradient that are kept. */
    /** The script's loss over a model of its own. */
    private static final class Loss implements AutoCloseable {
        private final NDManager manager = NDManager.newBaseManager("PyTorch");
        private final List<String> texts;
        private final StableDiffusion model;
        private final TrainedPrompts prompts;
        private final TrainedUNet unet;

        Loss(String name, int tokens, int skip) {
            boolean xl = name.startsWith("sdxl");
            texts = xl ? XL_TEXTS : TEXTS;
            ModelOptions options = ModelOptions.DEFAULT.withTexts(tokens, skip);
            model = StableDiffusion.open(xl ? SDXL : SD15, options, manager);
            prompts = new TrainedPrompts(model.prompts());
            unet = new TrainedUNet(model.unet());
        }

        Map<Component, List<List<Parameter>>> layers() {
            Map<Component, List<List<Parameter>>> layers = new EnumMap<>(Map.of(Component.UNet, unet.layers()));
            layers.putAll(prompts.layers());
            return layers;
        }

        /** Of now; gradients go to {@code taker}, that of the denoiser and then of the encoders. */
        float walk(WeightGradients taker) {
            try (NDManager scope = manager.newSubManager()) {
                PromptEncoder.Recording text = prompts.record(scope, texts, taker);
                TrainedUNet.Recording recording = unet.recordToText(
                        Randomness.normal(scope, 1, new Shape(2, 4, 8, 16)),
                        scope.create(new float[] {3, 731}),
                        Goldens.told(text.embedding(), scope),
                        taker);
                NDArray y = recording.output();
                NDArray difference = y.sub(Randomness.normal(scope, 3, y.getShape()));
                float loss = difference.square().mean().getFloat();
                recording.backward(difference.mul(2.0 / y.size()));
                text.backward(recording.toText());
                return loss;
            }
        }

        @Override
        public void close() {
            model.close();
            manager.close();
        }
    }

    private static JsonNode golden(String name) throws IOException {
        return Json.MAPPER.readTree(
                Goldens.FULL.resolve("text-" + name + ".json").toFile());
    }

    @ParameterizedTest
    @CsvSource({"sd15, 75, 0", "sdxl, 75, 0", "sdxl-chunks, 225, 1"})
    void gradientsOfAllWeightsOfTextEncodersAreTransformers(String name, int tokens, int skip) throws IOException {
        JsonNode expected = golden(name).path("gradients");
        double whole = golden(name).path("norm").asDouble();
        Map<Parameter, String> names = new IdentityHashMap<>();
        Map<String, float[]> found = new TreeMap<>();
        double[] squares = {0};

        try (Loss loss = new Loss(name, tokens, skip)) {
            loss.model
                    .prompts()
                    .weights()
                    .forEach((part, weights) ->
                            weights.forEach(weight -> names.put(weight, part.folder() + "." + weight.name())));
            loss.walk((weights, gradients) -> {
                for (int i = 0; i < weights.size(); i++) {
                    float[] gradient = gradients
                            .get(i)
                            .toType(DataType.FLOAT32, true)
                            .reshape(-1)
                            .toFloatArray();
                    squares[0] += Math.pow(GradientGoldens.norm(gradient), 2);
                    String weight = names.get(weights.get(i));
                    if (weight != null) {
                        assertThat(found.put(weight, gradient)).as(weight).isNull();
                    }
                }
            });
        }

        GradientGoldens.assertGradients(found, expected, whole, 2e-4);
        assertThat(Math.sqrt(squares[0])).isCloseTo(whole, Percentage.withPercentage(0.01));
    }

    @ParameterizedTest
    @CsvSource({
        "sd15, 75, 0, Adafactor",
        "sdxl, 75, 0, Adafactor",
        "sdxl-chunks, 225, 1, Adafactor",
        "sd15, 75, 0, AdamW",
        "sdxl, 75, 0, AdamW",
        "sdxl-chunks, 225, 1, AdamW"
    })
    void lossesOfTenStepsAreTheReferences(String name, int tokens, int skip, String type) throws IOException {
        JsonNode expected = golden(name).path(type.toLowerCase(Locale.ROOT));
        TrainingSpec training = TrainingSpecs.of(
                "method: FullFineTuning, precision: Float32, adapter: {textEncoder: true}, optimizer: {type: %s, learningRate: 1e-4, textEncoderLearningRate: 5e-5, schedule: {type: Constant}}"
                        .formatted(type));

        try (Loss loss = new Loss(name, tokens, skip);
                FusedOptimizer optimizer = new FusedOptimizer(loss.layers(), training, loss.manager)) {
            LearningRates rates = new LearningRates(optimizer.tables(), STEPS);
            for (int i = 0; i <= STEPS; i++) {
                List<Rates> own = rates.at(Math.min(i, STEPS - 1), 1);
                double value;
                try (NDManager scope = loss.manager.newSubManager()) {
                    value = loss.walk(optimizer.begin(own, scope));
                }
                assertThat(value)
                        .as("loss %d", i)
                        .isCloseTo(expected.get(i).asDouble(), Percentage.withPercentage(0.2));
            }
        }
    }
}
