package training.lora.trainer.model.layer.kernel;

import java.util.List;

/**
 * TorchScript of the delta that an adapter puts beside a frozen map, forward and backward; another kind of delta is another
 * of these. The projection's number i is in every name; {@code yi} is its result and {@code wi} the frozen weight.
 */
public interface DeltaText {
    /** That of a projection without a delta. */
    DeltaText NONE = new DeltaText() {};

    /** Names of the arrays that the adapter gives to both directions. */
    default List<String> arrays() {
        return List.of();
    }

    /** Names of what their gradients are added to on the way back. */
    default List<String> gradients() {
        return List.of();
    }

    /** Names of what the recorded pass keeps. */
    default List<String> kept() {
        return List.of();
    }

    /** Whether the bias is added behind the delta, by its text, not by the frozen map. */
    default boolean addsBias() {
        return false;
    }

    /**
     * Turns {@code yi}, which the frozen map made of the source, into the projection's result.
     *
     * @param bias a name or empty; only for a delta that {@link #addsBias}
     */
    default String forward(String bias) {
        return "";
    }

    /** The same in training, where the delta sees the source through its dropout, and makes {@link #kept}. */
    default String record(String bias) {
        return "";
    }

    /** The same on the way back, from what {@link #record} kept. */
    default String again(String bias) {
        return "";
    }

    /** Name of the gradient of what the frozen map made, after {@link #arrayGradients}. */
    default String upstream(String dy) {
        return dy;
    }

    /** Adds the arrays' gradients, given the result's, {@code dy}; must come before {@link #sourceGradient}. */
    default String arrayGradients(String dy) {
        return "";
    }

    /** Adds to the source's gradient {@code ds}, which the frozen map made; {@code dy} is the {@link #upstream} one. */
    default String sourceGradient(String ds, String dy) {
        return "";
    }
}
