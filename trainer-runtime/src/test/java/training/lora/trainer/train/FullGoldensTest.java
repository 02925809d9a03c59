package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.TrainingSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TrainedUNet;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.train.optimizer.FusedOptimizer;
import training.lora.trainer.train.optimizer.Rates;

/** Against what full_goldens.py wrote: ten steps of all weights of a denoiser. */
class FullGoldensTest {
    private static final double RATE = 1e-3;

    @ParameterizedTest
    @CsvSource({
        "unet-a, Adafactor, adafactor",
        "unet-bb, Adafactor, adafactor",
        "sdxl/unet, Adafactor, adafactor",
        "unet-a, AdamW, adamw",
        "unet-bb, AdamW, adamw",
        "sdxl/unet, AdamW, adamw"
    })
    void lossesOfTenStepsAreTheReferences(String name, String type, String key) throws IOException {
        JsonNode expected = Json.MAPPER
                .readTree(Goldens.FULL.resolve(name.split("/")[0] + ".json").toFile())
                .path(key);

        float[] losses = losses(name, "precision: Float32, optimizer: {type: %s, learningRate: 1e-3}".formatted(type));

        assertThat(losses).hasSize(expected.size());
        for (int i = 0; i < losses.length; i++) {
            assertThat((double) losses[i])
                    .as("loss %d", i)
                    .isCloseTo(expected.get(i).asDouble(), Percentage.withPercentage(0.2));
        }
    }

    /** Rounding adds noise, but what is learned is the same; without either, half of the steps would be lost. */
    @ParameterizedTest
    @CsvSource({"StochasticRounding", "Fp32Master"})
    void lossesInBf16FallAsInFp32(String weights) throws IOException {
        String optimizer = "optimizer: {type: Adafactor, learningRate: 1e-3}";
        float[] exact = losses("unet-a", "precision: Float32, " + optimizer);

        float[] rounded = losses(
                "unet-a", "precision: BFloat16, fullFineTuning: {bf16Weights: %s}, %s".formatted(weights, optimizer));

        double fallen = exact[0] - exact[exact.length - 1];
        for (int i = 0; i < exact.length; i++) {
            assertThat((double) rounded[i])
                    .as("loss %d", i)
                    .isBetween(exact[i] - 0.1 * fallen, exact[i] + 0.1 * fallen);
        }
    }

    /** The loss before each of ten steps and after the last. */
    private static float[] losses(String name, String fields) {
        TrainingSpec training = TrainingSpecs.of("method: FullFineTuning, " + fields);
        float[] losses = new float[11];
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens(name, manager);
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet), training.precision(), manager)) {
            NDArray target = golden.get("target");
            NDArray context = golden.get("context");
            Conditioning told = golden.file().entries().containsKey("pooled")
                    ? new Conditioning(context, golden.get("pooled"), golden.get("time_ids"))
                    : Conditioning.of(context);
            TrainedUNet trained = new TrainedUNet(unet);
            try (FusedOptimizer optimizer =
                    new FusedOptimizer(Map.of(Component.UNet, trained.layers()), training, manager)) {
                for (int i = 0; i < 10; i++) {
                    FusedOptimizer.Step step = optimizer.begin(List.of(Rates.constant(i, RATE, 1)), manager);
                    TrainedUNet.Recording recording =
                            trained.record(golden.get("sample"), golden.get("timesteps"), told, step);
                    NDArray difference = recording.output().sub(target);
                    losses[i] = difference.square().mean().getFloat();
                    recording.backward(difference.mul(2.0 / target.size()));
                    assertThat(step.end().getFloat()).isPositive();
                }
            }
            NDArray last = unet.forward(golden.get("sample"), golden.get("timesteps"), told, ProjectionDeltas.NONE);
            losses[10] = last.sub(target).square().mean().getFloat();
        }
        return losses;
    }
}
