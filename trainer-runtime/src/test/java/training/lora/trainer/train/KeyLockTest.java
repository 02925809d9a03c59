package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;

class KeyLockTest {
    /** src/test/goldens/prior_goldens.py made them, by the edit of perfusion-pytorch. */
    private static final Path GOLDENS = Path.of("src/test/resources/prior-goldens/key-lock.safetensors");

    @ParameterizedTest
    @CsvSource({"one, 1", "two, 2"})
    void keysAreThoseOfTheEditWithoutItsGate(String name, int concepts) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors golden = SafeTensors.open(GOLDENS)) {
            NDArray weight = Randomness.normal(manager, 21, new Shape(5, 8));
            NDArray own = Randomness.normal(manager, 22, new Shape(1, 8));
            NDArray classes = Randomness.normal(manager, 23, new Shape(1, 8));
            NDArray encodings = Randomness.normal(manager, 24, new Shape(6, 8));
            if (concepts == 2) {
                own = own.concat(Randomness.normal(manager, 26, new Shape(1, 8)));
                classes = classes.concat(Randomness.normal(manager, 27, new Shape(1, 8)));
            }
            NDArray texts = Randomness.normal(manager, 25, new Shape(40, 8)).toType(DataType.FLOAT64, true);
            NDArray inverse = KeyLock.inverse(texts.transpose().matMul(texts), manager);

            NDArray down = KeyLock.down(own, inverse, manager);
            NDArray up = KeyLock.up(weight, classes, own, manager);

            NDArray changed = weight.add(up.matMul(down));
            assertClose(encodings.matMul(changed.transpose()), golden.read(name, manager), 1e-4, name);
            // A concept's key is its class's.
            assertClose(own.matMul(changed.transpose()), classes.matMul(weight.transpose()), 1e-4, "locked");
        }
    }

    @Test
    void textsAreOfManyKinds() {
        List<String> texts = KeyLock.texts();

        assertThat(new HashSet<>(texts)).hasSize(texts.size());
        assertThat(texts).contains("a photo of a man", "a picture of a woman in the rain");
    }
}
