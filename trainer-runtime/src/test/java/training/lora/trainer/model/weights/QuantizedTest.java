package training.lora.trainer.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.TinyUNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

class QuantizedTest {
    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");

    private static final TorchScript BYTES =
            TorchScript.compile("x", "return torch.tensor(torch.element_size(x), dtype=4, device=ops.prim.device(x))");

    @AfterAll
    static void close() {
        MANAGER.close();
    }

    private static NDArray made(NDArray weight, BaseWeights form, Precision precision) {
        String type = precision == Precision.BFloat16 ? "15" : "6";
        List<NDArray> quantized = Quantized.quantized(weight, form, type, "0", MANAGER);
        assertThat(BYTES.call(MANAGER, quantized.get(0)).getLong()).isEqualTo(1);
        return Quantized.values(quantized, MANAGER).toType(DataType.FLOAT32, true);
    }

    /** Rows of very different sizes, in {@code shape}. */
    private static NDArray weight(Shape shape) {
        NDArray sizes = MANAGER.arange(shape.get(0)).mul(-2).exp();
        return Randomness.normal(MANAGER, 4, new Shape(shape.get(0), shape.size() / shape.get(0)))
                .mul(sizes.reshape(-1, 1));
    }

    /** In bf16 the scale and the product are rounded too, by a share of 2^-8 and 2^-9 of at most 127 s. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void noEntryIsOffByMoreThanHalfAStepOfItsRow(Precision precision) {
        double steps = precision == Precision.BFloat16 ? 0.5 + 127 * (1 / 256.0 + 1 / 512.0) : 0.5 + 1e-4;
        for (Shape shape : List.of(new Shape(7, 33), new Shape(6, 5, 3, 3))) {
            NDArray weight = weight(shape);
            NDArray step = weight.abs().max(new int[] {1}, true).div(127);

            NDArray rows =
                    made(weight.reshape(shape), BaseWeights.Int8, precision).reshape(weight.getShape());

            assertThat(rows.sub(weight).abs().div(step).max().getFloat()).isLessThanOrEqualTo((float) steps);
        }
    }

    /** In bf16 the scale and the product are rounded too. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void noEntryInFp8IsOffByMoreThanHalfAnUlp(Precision precision) {
        double share = 1 / 16.0 + (precision == Precision.BFloat16 ? 1 / 256.0 + 1 / 512.0 : 1e-4);
        for (Shape shape : List.of(new Shape(7, 33), new Shape(6, 5, 3, 3))) {
            NDArray weight = weight(shape);
            // Below the least normal number, 2^-6 s, they are 2^-9 s apart.
            NDArray least = weight.abs().max(new int[] {1}, true).div(448 * 1024);

            NDArray rows =
                    made(weight.reshape(shape), BaseWeights.Fp8, precision).reshape(weight.getShape());

            NDArray most = weight.abs().mul(share).maximum(least);
            assertThat(rows.sub(weight).abs().div(most).max().getFloat()).isBetween(0.5f, 1.001f);
        }
    }

    @Test
    void greatestOfARowInFp8AndItsOppositeAreKept() {
        NDArray weight = MANAGER.create(new float[] {-44.8f, 0, 6.4f, 44.8f}, new Shape(1, 4));

        assertThat(made(weight, BaseWeights.Fp8, Precision.Float32).toFloatArray())
                .containsExactly(-44.8f, 0, 6.4f, 44.8f);
    }

    @Test
    void greatestOfARowAndItsOppositeAreKept() {
        NDArray weight = MANAGER.create(new float[] {-2.54f, 0, 1.27f, 2.54f}, new Shape(1, 4));

        List<NDArray> quantized = Quantized.quantized(weight, BaseWeights.Int8, "6", "0", MANAGER);

        assertThat(quantized.get(0).toByteArray()).containsExactly(-127, 0, 64, 127);
        assertThat(quantized.get(1).getFloat(0, 0)).isEqualTo(0.02f);
    }

    @ParameterizedTest
    @EnumSource(names = {"Int8", "Fp8"})
    void aRowOfZerosStaysOne(BaseWeights form) {
        NDArray weight = MANAGER.create(new float[] {0, 0, 0, 1, 2, 3}, new Shape(2, 3));

        assertThat(made(weight, form, Precision.BFloat16).get(0).toFloatArray()).containsExactly(0, 0, 0);
    }

    @ParameterizedTest
    @EnumSource(names = {"Int8", "Fp8"})
    void mapsAndConvolutionsAreQuantizedAndNothingElse(BaseWeights form) {
        ParameterSet set =
                new ParameterSet(new Numbers(Precision.Float32, Precision.Float32, form), true, Device.cpu());
        Parameter[] linear = set.withBias("linear", 4, 3);
        Parameter[] convolution = set.withBias("convolution", 4, 3, 3, 3);
        Parameter[] norm = set.norm("norm", 4);
        Parameter words = set.embeddings("words", 9, 3);

        assertThat(List.of(linear[0], convolution[0])).allMatch(Parameter::quantized);
        assertThat(List.of(linear[1], convolution[1], norm[0], norm[1], words)).noneMatch(Parameter::quantized);
    }

    private static NDArray predict(Precision precision, BaseWeights form, NDManager scope) {
        try (UNet unet = UNet.random(TinyUNets.TINY, precision, form, 3, scope)) {
            return unet.forward(
                    Randomness.normal(scope, 1, new Shape(2, 4, 8, 8)),
                    scope.create(new float[] {3, 700}),
                    Conditioning.of(Randomness.normal(scope, 2, new Shape(2, 5, 24))),
                    ProjectionDeltas.NONE);
        }
    }

    private static double distance(NDArray actual, NDArray expected) {
        return actual.sub(expected).norm().getFloat() / expected.norm().getFloat();
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void predictionsStayNearThoseOfFp32(Precision precision) {
        try (NDManager scope = MANAGER.newSubManager()) {
            NDArray exact = predict(Precision.Float32, BaseWeights.Full, scope);
            double int8 = distance(predict(precision, BaseWeights.Int8, scope), exact);
            double fp8 = distance(predict(precision, BaseWeights.Fp8, scope), exact);

            assertThat(int8).isBetween(1e-4, 0.03);
            assertThat(fp8).isBetween(int8, 0.1);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Int8", "Fp8"})
    void weightsForAdaptersAreWhatLayersComputeWith(BaseWeights form) {
        try (NDManager scope = MANAGER.newSubManager();
                UNet full = UNet.random(TinyUNets.TINY, Precision.Float32, BaseWeights.Full, 3, scope);
                UNet quantized = UNet.random(TinyUNets.TINY, Precision.Float32, form, 3, scope)) {
            full.projections().forEach(p -> {
                NDArray expected = made(full.weight(p, scope), form, Precision.Float32);
                NDArray weight = quantized.weight(p, scope);

                assertThat(weight.getDataType()).isEqualTo(DataType.FLOAT32);
                assertClose(weight, expected, 0, p.path());
            });
        }
    }
}
