package training.lora.trainer.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.AdapterType;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.TrainedUNet;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.Processor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/** Weights that are kept in bf16 and used in fp32, as a processor without bf16 instructions has them. */
class NumbersTest {
    private static final Numbers WIDENED = new Numbers(Precision.BFloat16, Precision.Float32, BaseWeights.Full);
    /** What DJL says of bf16. */
    private static final DataType BFLOAT16 = DataType.UNKNOWN;

    private static final TorchScript ROUNDED = TorchScript.compile("x", "return torch.to(torch.to(x, 15), 6)");

    private static UNet widened(NDManager scope) {
        return UNet.random(TinyUNets.TINY, WIDENED, 0, 3, scope);
    }

    /** The same network in fp32, whose weights were rounded to bf16 when they were read. */
    private static UNet rounded(NDManager scope) {
        UNet unet = UNet.random(TinyUNets.TINY, Precision.Float32, 3, scope);
        unet.parameters().change(new WeightChanges() {
            @Override
            public boolean affects(String name) {
                return !name.contains("norm");
            }

            @Override
            public NDArray changed(String name, NDArray weight, NDManager in) {
                return ROUNDED.call(in, weight);
            }
        });
        unet.parameters().random(3, scope);
        return unet;
    }

    private static NDArray sample(NDManager scope) {
        return Randomness.normal(scope, 1, new Shape(2, 4, 8, 8));
    }

    private static NDArray timesteps(NDManager scope) {
        return scope.create(new float[] {3, 700});
    }

    private static Conditioning told(NDManager scope) {
        return Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24)));
    }

    private static float[] prediction(Function<NDManager, UNet> network, NDManager scope) {
        try (UNet unet = network.apply(scope)) {
            return unet.forward(sample(scope), timesteps(scope), told(scope), ProjectionDeltas.NONE)
                    .toFloatArray();
        }
    }

    private static Map<String, float[]> gradients(Function<NDManager, UNet> network, NDManager scope) {
        Map<String, float[]> found = new LinkedHashMap<>();
        try (UNet unet = network.apply(scope)) {
            TrainedUNet.Recording recording = new TrainedUNet(unet)
                    .record(sample(scope), timesteps(scope), told(scope), (weights, gradients) -> {
                        for (int i = 0; i < weights.size(); i++) {
                            found.put(
                                    weights.get(i).name(),
                                    gradients.get(i).reshape(-1).toFloatArray());
                        }
                    });
            recording.backward(Randomness.normal(scope, 4, new Shape(2, 4, 8, 8)));
        }
        return found;
    }

    @Test
    void predictionsAreThoseOfFp32OnRoundedWeights() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            float[] expected = prediction(NumbersTest::rounded, scope);

            assertThat(prediction(NumbersTest::widened, scope)).isEqualTo(expected);
            assertThat(prediction(in -> UNet.random(TinyUNets.TINY, 3, in), scope))
                    .isNotEqualTo(expected);
        }
    }

    @Test
    void gradientsOfWeightsAreThoseOfFp32OnRoundedWeights() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            Map<String, float[]> expected = gradients(NumbersTest::rounded, scope);
            Map<String, float[]> found = gradients(NumbersTest::widened, scope);

            assertThat(found).containsOnlyKeys(expected.keySet());
            expected.forEach(
                    (name, values) -> assertThat(found.get(name)).as(name).isEqualTo(values));
        }
    }

    /** Prediction, gradient and norms of an adapter that has moved. */
    private static List<float[]> adapted(AdapterType type, Function<NDManager, UNet> network, NDManager scope) {
        LoraSettings settings =
                new LoraSettings(type, 3, 2, false, 0, List.of("Attention", "FeedForward", "Convolution"), List.of());
        try (UNet unet = network.apply(scope);
                LoraAdapter adapter = LoraAdapter.create(unet.projections(), settings, 5, unet::weight, scope)
                        .trainable()) {
            NDArray parameters = adapter.parameters();
            parameters.addi(Randomness.normal(scope, 7, parameters.getShape()).mul(0.05));
            UNet.Recording recording = unet.record(sample(scope), timesteps(scope), told(scope), adapter.bind(scope));
            float[] prediction = recording.output().toFloatArray();
            recording.backward(Randomness.normal(scope, 4, new Shape(2, 4, 8, 8)));
            float norm =
                    Objects.requireNonNull(adapter.norms().get(Component.UNet)).floatValue();
            return List.of(prediction, adapter.gradient().toFloatArray(), new float[] {norm});
        }
    }

    @ParameterizedTest
    @EnumSource
    void adaptersAreThoseOfFp32OnRoundedWeights(AdapterType type) {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            List<float[]> expected = adapted(type, NumbersTest::rounded, scope);
            List<float[]> found = adapted(type, NumbersTest::widened, scope);

            for (int i = 0; i < expected.size(); i++) {
                assertThat(found.get(i)).isEqualTo(expected.get(i));
            }
        }
    }

    @Test
    void weightsInAByteEachStandBesideBiasesThatAreWidened() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            float[] expected = prediction(in -> bytes(Precision.Float32, in), scope);
            float[] found = prediction(in -> bytes(Precision.BFloat16, in), scope);

            // They differ by the biases' rounding alone.
            assertThat(found).isNotEqualTo(expected).hasSameSizeAs(expected);
            for (int i = 0; i < found.length; i++) {
                assertThat(found[i]).isCloseTo(expected[i], within(0.005f));
            }
        }
    }

    private static UNet bytes(Precision kept, NDManager scope) {
        Numbers numbers = new Numbers(kept, Precision.Float32, BaseWeights.Int8);
        return UNet.random(TinyUNets.TINY, numbers, 0, 3, scope);
    }

    @Test
    void weightsTakeTwoBytesANumberAndNormsFour() {
        try (NDManager scope = NDManager.newBaseManager("PyTorch");
                UNet unet = widened(scope)) {
            assertThat(unet.parameters().all())
                    .allSatisfy(p -> assertThat(p.array().getDataType())
                            .as(p.name())
                            .isEqualTo(p.name().contains("norm") ? DataType.FLOAT32 : BFLOAT16));
            assertThat(unet.projections())
                    .allSatisfy(
                            p -> assertThat(unet.weight(p, scope).getDataType()).isEqualTo(DataType.FLOAT32));
        }
    }

    @ParameterizedTest
    @EnumSource(BaseWeights.class)
    void bf16IsComputedInFp32WhereTheProcessorEmulatesIt(BaseWeights form) {
        Numbers onProcessor = Numbers.of(Precision.BFloat16, form, Device.cpu());

        assertThat(onProcessor)
                .isEqualTo(new Numbers(
                        Precision.BFloat16, Processor.hasBFloat16() ? Precision.BFloat16 : Precision.Float32, form));
        assertThat(Numbers.of(Precision.BFloat16, form, Device.gpu()).widens()).isFalse();
        assertThat(Numbers.of(Precision.Float32, form, Device.cpu()).widens()).isFalse();
    }
}
