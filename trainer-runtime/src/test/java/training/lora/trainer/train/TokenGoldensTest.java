package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.TrainingSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.WholeWords;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.train.optimizer.Optimizer;
import training.lora.trainer.train.optimizer.Rates;

/**
 * New tokens, against transformers and diffusers: from texts that say their words to the denoiser's output, back to the gradient
 * of their embeddings, and on by AdamW. src/test/goldens/token_goldens.py made the goldens.
 */
class TokenGoldensTest {
    private static final Path GOLDENS = Path.of("src/test/resources/token-goldens");
    private static final List<String> TEXTS = List.of("a qzx in noto style, QZX", "");
    private static final List<String> XL_TEXTS = List.of("qzx in fog, a zzw", "a cat and qzx");
    private static final double DEVIATION = 0.02;

    /** Of each word. */
    private static final Map<String, Integer> COUNTS = new LinkedHashMap<>();

    static {
        COUNTS.put("qzx", 3);
        COUNTS.put("zzw", 2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"sd15", "sdxl"})
    void gradientsOfTokensAndTheLossesOfTenStepsAreThoseOfTheReference(String name) {
        TrainingSpec settings = TrainingSpecs.of(
                "tokens: {count: 3, decayPower: 0, deviationWeight: 0}, optimizer: {maxGradientNorm: 1e9}");
        boolean xl = name.equals("sdxl");
        Path folder = xl ? Goldens.FOLDER.resolve("sdxl") : Goldens.BUNDLED.resolve("emoji-sd");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS.resolve(name + ".safetensors"));
                StableDiffusion model = StableDiffusion.open(folder, manager);
                TokenEmbeddings tokens = tokens(model, manager).trainable();
                TokenTraining training =
                        new TokenTraining(tokens, settings, model.prompts().vocabularies(), manager);
                Optimizer optimizer = training.optimizer()) {
            float[] losses = golden.read("losses", manager).toFloatArray();
            for (int step = 0; step < losses.length; step++) {
                try (NDManager scope = manager.newSubManager()) {
                    double loss = backward(xl, model, tokens, step == 0 ? golden : null, scope);

                    assertThat(loss).as("loss of step " + step).isCloseTo(losses[step], within(2e-5 * losses[step]));
                    if (step == 0) {
                        assertGradients(tokens, golden, scope);
                    }
                    training.regularize((ownLoss, its) -> {}, scope);
                    optimizer.step(tokens.gradient(), Rates.constant(step, 1e-3, 1), scope);
                }
            }
            assertThat(losses[9]).isLessThan(losses[0]);
        }
    }

    /** The loss, whose gradient is added to the tokens'. */
    private static double backward(
            boolean xl, StableDiffusion model, TokenEmbeddings tokens, @Nullable SafeTensors golden, NDManager scope) {
        ProjectionDeltas deltas = new ProjectionDeltas(Map.of(), 0, tokens.bind(scope));
        PromptEncoder.Recording text = model.prompts().record(scope, xl ? XL_TEXTS : TEXTS, deltas, Keep.LayerStates);
        UNet.Recording recording = model.unet()
                .recordToText(
                        Randomness.normal(scope, 1, new Shape(2, 4, 8, 16)),
                        scope.create(new float[] {3, 731}),
                        Goldens.told(text.embedding(), scope),
                        deltas);
        NDArray y = recording.output();
        if (golden != null) {
            assertClose(y, golden.read("output", scope), 1e-4, "output");
        }
        NDArray difference = y.sub(Randomness.normal(scope, 3, y.getShape()));
        recording.backward(difference.mul(2.0 / y.size()));
        text.backward(recording.toText());
        return difference.toType(DataType.FLOAT64, false).square().mean().getDouble();
    }

    private static void assertGradients(TokenEmbeddings tokens, SafeTensors golden, NDManager scope) {
        tokens.bind(scope).rows().forEach((encoder, rows) -> {
            NDArray gradient = Objects.requireNonNull(rows.gradient());
            assertClose(gradient, golden.read(encoder.folder() + ".grad", scope), 1e-4, encoder.folder());
        });
    }

    /** The script's random embeddings: those of the i-th text encoder have the seed 100 + i. */
    private static TokenEmbeddings tokens(StableDiffusion model, NDManager manager) {
        Map<String, Map<Component, LazyTensor>> values = new LinkedHashMap<>();
        COUNTS.keySet().forEach(word -> values.put(word, new EnumMap<>(Component.class)));
        int all = COUNTS.values().stream().mapToInt(n -> n).sum();
        for (var vocabulary : model.prompts().vocabularies()) {
            long width = vocabulary.table().getShape().get(1);
            long seed = vocabulary.encoder() == Component.TextEncoder ? 100 : 101;
            NDArray rows =
                    Randomness.normal(manager, seed, new Shape(all, width)).mul(DEVIATION);
            int first = 0;
            for (Map.Entry<String, Integer> word : COUNTS.entrySet()) {
                int next = first + word.getValue();
                Objects.requireNonNull(values.get(word.getKey()))
                        .put(vocabulary.encoder(), LazyTensor.of(rows.get(first + ":" + next)));
                first = next;
            }
        }
        return TokenEmbeddings.of(values, WholeWords::of, manager);
    }
}
