package training.lora.trainer.convert;

import org.jspecify.annotations.Nullable;

/** Seeds of ai-toolkit's samples, one after another: one of a sample's own counts for those behind it too, unless seeds count up. */
final class AiToolkitSeeds {
    private final long first;
    private final boolean walks;
    private long current;
    private int drawn;

    /** @param sample the options of all samples */
    AiToolkitSeeds(Options sample) {
        Long seed = sample.seed("seed");
        first = seed == null ? 0 : seed;
        walks = sample.flag("walk_seed", false);
        current = first;
    }

    /**
     * That of the next sample.
     *
     * @param own what it has of its own; null for nothing
     */
    long next(@Nullable Long own) {
        if (own != null) {
            current = own;
        } else if (walks) {
            current = first + drawn;
        }
        drawn++;
        return current;
    }
}
