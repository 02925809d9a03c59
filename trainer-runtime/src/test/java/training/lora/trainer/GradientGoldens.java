package training.lora.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.TreeSet;
import org.assertj.core.data.Offset;

/** Gradients of weights as full_goldens.py and full_text_goldens.py wrote them: of each its norm and some of its numbers. */
public final class GradientGoldens {
    private static final int NUMBERS = 3;

    private GradientGoldens() {}

    /**
     * That {@code found} are those of {@code expected}, of all weights.
     *
     * @param whole the norm of all of them
     * @param share of a gradient's norm that its norm and numbers may be off
     */
    public static void assertGradients(Map<String, float[]> found, JsonNode expected, double whole, double share) {
        TreeSet<String> names = new TreeSet<>();
        expected.fieldNames().forEachRemaining(names::add);
        assertThat(found.keySet()).isEqualTo(names);
        found.forEach((weight, gradient) -> {
            JsonNode numbers = expected.path(weight);
            double norm = numbers.get(0).asDouble();
            Offset<Double> close = Offset.offset(share * norm + 1e-7 * whole);
            assertThat(norm(gradient)).as(weight).isCloseTo(norm, close);
            for (int i = 0; i < NUMBERS; i++) {
                assertThat((double) gradient[i * gradient.length / NUMBERS])
                        .as("%s, number %d", weight, i)
                        .isCloseTo(numbers.get(1 + i).asDouble(), close);
            }
        });
    }

    /** The 2-norm. */
    public static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }
}
