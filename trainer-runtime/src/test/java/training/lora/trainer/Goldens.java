package training.lora.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import training.lora.trainer.tensor.SafeTensors;

/** What src/test/goldens/make_goldens.py made, and how closely it must be met. */
public final class Goldens implements AutoCloseable {
    public static final Path FOLDER = Path.of("src/test/resources/goldens");
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
        NDArray expected = get(name);
        assertThat(actual.getShape()).as(name).isEqualTo(expected.getShape());
        float[] a = actual.toFloatArray();
        float[] b = expected.toFloatArray();
        double greatest = 0;
        double worst = 0;
        int at = 0;
        for (int i = 0; i < b.length; i++) {
            greatest = Math.max(greatest, Math.abs(b[i]));
            if (!(Math.abs(a[i] - b[i]) <= worst)) {
                worst = Math.abs(a[i] - b[i]);
                at = i;
            }
        }
        assertThat(worst)
                .as(
                        "%s: the greatest difference, at index %d (%s instead of %s), against max |b| = %s",
                        name, at, a[at], b[at], greatest)
                .isLessThanOrEqualTo(1e-4 * greatest);
    }

    @Override
    public void close() {
        file.close();
    }
}
