package training.lora.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.SafeTensors;

/** What src/test/goldens/make_goldens.py made, and how closely it must be met. */
public final class Goldens implements AutoCloseable {
    public static final Path FOLDER = Path.of("src/test/resources/goldens");

    /** What full_goldens.py wrote. */
    public static final Path FULL = Path.of("src/test/resources/full-goldens");

    public static final Path BUNDLED = Path.of("../examples/bundled");

    private final SafeTensors file;
    private final NDManager manager;

    public Goldens(String name, NDManager manager) {
        this.file = SafeTensors.open(FOLDER.resolve(name).resolve("golden.safetensors"));
        this.manager = manager;
    }

    public NDArray get(String name) {
        return file.read(name, manager);
    }

    public SafeTensors file() {
        return file;
    }

    /** max |a - b| / max |b| must be at most 1e-4. */
    public void assertMatches(NDArray actual, String name) {
        assertClose(actual, get(name), 1e-4, name);
    }

    /** Same shape, and max |actual - expected| / max |expected| at most {@code tolerance}. */
    public static void assertClose(NDArray actual, NDArray expected, double tolerance, String name) {
        assertThat(actual.getShape()).as(name).isEqualTo(expected.getShape());
        float[] a = actual.toFloatArray();
        float[] b = expected.toFloatArray();
        double greatest = 0;
        double worst = 0;
        int at = 0;
        for (int i = 0; i < b.length; i++) {
            greatest = Math.max(greatest, Math.abs(b[i]));
            double difference = Math.abs((double) a[i] - b[i]);
            if (Double.isNaN(difference)) {
                difference = Double.POSITIVE_INFINITY;
            }
            if (difference > worst) {
                worst = difference;
                at = i;
            }
        }
        if (worst > 0) {
            assertThat(worst)
                    .as(
                            "%s: the greatest difference, at index %d (%s instead of %s), against max |b| = %s",
                            name, at, a[at], b[at], greatest)
                    .isLessThanOrEqualTo(tolerance * greatest);
        }
    }

    @Override
    public void close() {
        file.close();
    }

    /** What the goldens of text encoders tell the denoiser: two texts, and XL the sizes of two pictures. */
    public static Conditioning told(TextEmbedding text, NDManager manager) {
        return text.pooled() == null
                ? Conditioning.of(text.context())
                : new Conditioning(
                        text.context(),
                        text.pooled(),
                        manager.create(
                                new float[] {600, 400, 0, 50, 128, 128, 1024, 1536, 256, 0, 1024, 1024},
                                new Shape(2, 6)));
    }
}
