package training.lora.trainer.model.unet;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.BaseWeights;
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.trainer.Goldens;
import training.lora.trainer.GradientGoldens;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.model.weights.Parameter;

/** Against what full_goldens.py wrote. */
class TrainedUNetTest {
    /** Numbers of a gradient that are kept. */
    private static JsonNode values(String name) throws IOException {
        return Json.MAPPER.readTree(
                Goldens.FULL.resolve(name.split("/")[0] + ".json").toFile());
    }

    /** Gradients of all weights for the golden's loss, as files have them, in rows, fp32. */
    private static Map<String, float[]> gradients(String name, Precision precision, NDManager manager) {
        Map<String, float[]> found = new LinkedHashMap<>();
        try (Goldens golden = new Goldens(name, manager);
                UNet unet = UNet.open(
                        new FolderPart(Goldens.FOLDER.resolve(name), Part.UNet),
                        new Numbers(precision, precision, BaseWeights.Full),
                        0,
                        manager)) {
            NDArray context = golden.get("context");
            Conditioning told = golden.file().entries().containsKey("pooled")
                    ? new Conditioning(context, golden.get("pooled"), golden.get("time_ids"))
                    : Conditioning.of(context);
            TrainedUNet.Recording recording = new TrainedUNet(unet)
                    .record(golden.get("sample"), golden.get("timesteps"), told, (weights, gradients) -> {
                        for (int i = 0; i < weights.size(); i++) {
                            Parameter weight = weights.get(i);
                            NDArray gradient = gradients.get(i).toType(DataType.FLOAT32, true);
                            assertThat(gradient.size()).isEqualTo(weight.array().size());
                            assertThat(found.put(
                                            weight.name(), gradient.reshape(-1).toFloatArray()))
                                    .as(weight.name())
                                    .isNull();
                        }
                    });
            if (precision == Precision.Float32) {
                golden.assertMatches(recording.output(), "output");
            }
            NDArray y = recording.output();
            recording.backward(y.sub(golden.get("target")).mul(2.0 / y.size()));
        }
        return found;
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void gradientsOfAllWeightsAreDiffusers(String name) throws IOException {
        JsonNode expected = values(name).path("gradients");
        double whole = values(name).path("norm").asDouble();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, float[]> found = gradients(name, Precision.Float32, manager);

            GradientGoldens.assertGradients(found, expected, whole, 1e-4);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"unet-a", "unet-bb", "sdxl/unet"})
    void gradientsInBf16LieNoFartherFromFp32sThanTorchs(String name) throws IOException {
        double torch = values(name).path("bfloat16Distance").asDouble();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, float[]> exact = gradients(name, Precision.Float32, manager);
            Map<String, float[]> rounded = gradients(name, Precision.BFloat16, manager);

            double apart = 0;
            double whole = 0;
            for (Map.Entry<String, float[]> e : exact.entrySet()) {
                float[] other = Objects.requireNonNull(rounded.get(e.getKey()));
                for (int i = 0; i < other.length; i++) {
                    apart += Math.pow((double) other[i] - e.getValue()[i], 2);
                    whole += Math.pow(e.getValue()[i], 2);
                }
            }
            assertThat(Math.sqrt(apart / whole)).isBetween(0.1 * torch, 1.5 * torch);
        }
    }
}
