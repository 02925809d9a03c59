package training.lora.trainer.model.layer;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What is added to a model.
 *
 * @param byPath deltas by the projection's path
 * @param seed what a recorded pass draws its dropout from
 * @param tokens that its text encoders know beside their own; null for none
 */
public record ProjectionDeltas(
        Map<String, Delta> byPath, long seed, @Nullable AddedTokens tokens) {
    /** No adapter. */
    public static final ProjectionDeltas NONE = new ProjectionDeltas(Map.of());

    /** Without dropout. */
    public ProjectionDeltas(Map<String, Delta> byPath) {
        this(byPath, 0, null);
    }

    /** Without added tokens. */
    public ProjectionDeltas(Map<String, Delta> byPath, long seed) {
        this(byPath, seed, null);
    }

    /**
     * The same with {@code strength} times the changes of weights, without gradients; tokens are what they are.
     *
     * @throws UnsupportedOperationException with DoRA
     */
    public ProjectionDeltas scaled(double strength) {
        Map<String, Delta> scaled = new HashMap<>();
        byPath.forEach((path, delta) -> scaled.put(path, delta.scaled(strength)));
        return new ProjectionDeltas(scaled, seed, tokens);
    }

    @Nullable Delta at(String path) {
        return byPath.get(path);
    }
}
