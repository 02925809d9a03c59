package training.lora.trainer.model.layer;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an adapter adds to the projections of a model.
 *
 * @param byPath deltas by the projection's path
 * @param seed what a recorded pass draws its dropout from
 */
public record ProjectionDeltas(Map<String, Delta> byPath, long seed) {
    /** No adapter. */
    public static final ProjectionDeltas NONE = new ProjectionDeltas(Map.of());

    /** Without dropout. */
    public ProjectionDeltas(Map<String, Delta> byPath) {
        this(byPath, 0);
    }

    @Nullable Delta at(String path) {
        return byPath.get(path);
    }
}
