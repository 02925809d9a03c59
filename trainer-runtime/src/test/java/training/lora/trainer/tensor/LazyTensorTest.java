package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tensors that are made when they are asked for. */
class LazyTensorTest {
    private static LazyTensor zeros(Shape shape, DataType type) {
        return new LazyTensor(shape, type, scope -> scope.zeros(shape, type));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, Pieces.SIZE - 1, Pieces.SIZE, Pieces.SIZE + 2})
    void oneOfSeveralPiecesIsTheSameUnlessANumberDiffers(long place) {
        Shape shape = new Shape(3, Pieces.SIZE / 2);
        LazyTensor other = new LazyTensor(shape, DataType.FLOAT32, scope -> scope.arange((float) shape.size())
                .eq(place)
                .toType(DataType.FLOAT32, false)
                .reshape(shape));

        assertThat(zeros(shape, DataType.FLOAT32).same(other)).isFalse();
        assertThat(other.same(other)).isTrue();
        assertThat(zeros(shape, DataType.FLOAT32).same(zeros(shape, DataType.FLOAT32)))
                .isTrue();
    }

    @Test
    void anotherShapeOrTypeIsAnother() {
        LazyTensor tensor = zeros(new Shape(2, 3), DataType.FLOAT32);

        assertThat(tensor.same(zeros(new Shape(3, 2), DataType.FLOAT32))).isFalse();
        assertThat(tensor.same(zeros(new Shape(2, 3), DataType.INT32))).isFalse();
        assertThat(zeros(new Shape(), DataType.FLOAT32).same(zeros(new Shape(), DataType.FLOAT32)))
                .isTrue();
    }
}
