package training.lora.trainer.dataset;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * How a prepared picture differs from the first one of its item.
 *
 * @param kind what was done
 * @param seed that its parameters were drawn from; 0 where nothing was drawn
 * @param parameters what was drawn, by name
 */
public record Variation(Kind kind, long seed, Map<String, Double> parameters) {
    /** What is done to a picture. */
    public enum Kind {
        /** Another size of the same picture. */
        Resolution,
        /** Mirrored. */
        Flip,
        /** Another colour, a smaller part, a blur. */
        Augmented,
        /** Made smaller, on a ground that is extended. */
        Outpainted
    }

    public Variation {
        parameters = Collections.unmodifiableMap(new TreeMap<>(parameters));
    }
}
