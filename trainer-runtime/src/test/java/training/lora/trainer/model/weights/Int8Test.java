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

class Int8Test {
    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");

    @AfterAll
    static void close() {
        MANAGER.close();
    }

    private static NDArray made(NDArray weight, Precision precision) {
        String type = precision == Precision.BFloat16 ? "15" : "6";
        List<NDArray> quantized = Int8.quantized(weight, type, "0", MANAGER);
        assertThat(quantized.get(0).getDataType()).isEqualTo(DataType.INT8);
        return Int8.values(quantized, MANAGER).toType(DataType.FLOAT32, true);
    }

    /** In bf16 the scale and the product are rounded too, by a share of 2^-8 and 2^-9 of at most 127 s. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void noEntryIsOffByMoreThanHalfAStepOfItsRow(Precision precision) {
        double steps = precision == Precision.BFloat16 ? 0.5 + 127 * (1 / 256.0 + 1 / 512.0) : 0.5 + 1e-4;
        for (Shape shape : List.of(new Shape(7, 33), new Shape(6, 5, 3, 3))) {
            // Rows of very different sizes.
            NDArray sizes = MANAGER.arange(shape.get(0)).mul(-2).exp();
            NDArray weight = Randomness.normal(MANAGER, 4, new Shape(shape.get(0), shape.size() / shape.get(0)))
                    .mul(sizes.reshape(-1, 1));
            NDArray step = weight.abs().max(new int[] {1}, true).div(127);

            NDArray rows = made(weight.reshape(shape), precision).reshape(weight.getShape());

            assertThat(rows.sub(weight).abs().div(step).max().getFloat()).isLessThanOrEqualTo((float) steps);
        }
    }

    @Test
    void greatestOfARowAndItsOppositeAreKept() {
        NDArray weight = MANAGER.create(new float[] {-2.54f, 0, 1.27f, 2.54f}, new Shape(1, 4));

        List<NDArray> quantized = Int8.quantized(weight, "6", "0", MANAGER);

        assertThat(quantized.get(0).toByteArray()).containsExactly(-127, 0, 64, 127);
        assertThat(quantized.get(1).getFloat(0, 0)).isEqualTo(0.02f);
    }

    @Test
    void aRowOfZerosStaysOne() {
        NDArray weight = MANAGER.create(new float[] {0, 0, 0, 1, 2, 3}, new Shape(2, 3));

        assertThat(made(weight, Precision.BFloat16).get(0).toFloatArray()).containsExactly(0, 0, 0);
    }

    @Test
    void mapsAndConvolutionsAreInInt8AndNothingElse() {
        ParameterSet set = new ParameterSet(Precision.Float32, BaseWeights.Int8, true, Device.cpu());
        Parameter[] linear = set.withBias("linear", 4, 3);
        Parameter[] convolution = set.withBias("convolution", 4, 3, 3, 3);
        Parameter[] norm = set.norm("norm", 4);
        Parameter words = set.embeddings("words", 9, 3);

        assertThat(List.of(linear[0], convolution[0])).allMatch(Parameter::int8);
        assertThat(List.of(linear[1], convolution[1], norm[0], norm[1], words)).noneMatch(Parameter::int8);
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

    @ParameterizedTest
    @EnumSource(Precision.class)
    void predictionsStayNearThoseOfFp32(Precision precision) {
        try (NDManager scope = MANAGER.newSubManager()) {
            NDArray exact = predict(Precision.Float32, BaseWeights.Full, scope);
            NDArray near = predict(precision, BaseWeights.Int8, scope);

            double off = near.sub(exact).norm().getFloat() / exact.norm().getFloat();
            assertThat(off).isBetween(1e-4, 0.03);
        }
    }

    @Test
    void weightsForAdaptersAreWhatLayersComputeWith() {
        try (NDManager scope = MANAGER.newSubManager();
                UNet full = UNet.random(TinyUNets.TINY, Precision.Float32, BaseWeights.Full, 3, scope);
                UNet int8 = UNet.random(TinyUNets.TINY, Precision.Float32, BaseWeights.Int8, 3, scope)) {
            full.projections().forEach(p -> {
                NDArray expected = made(full.weight(p, scope), Precision.Float32);
                NDArray weight = int8.weight(p, scope);

                assertThat(weight.getDataType()).isEqualTo(DataType.FLOAT32);
                assertClose(weight, expected, 0, p.path());
            });
        }
    }
}
