package training.lora.trainer.merge;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * How many ranks of a product are kept: a number of them, or as few as have a share of the squares of its singular values.
 *
 * @param rank how many; null where the share decides
 * @param energy the share, above 0 and up to 1; null where the number decides
 */
public record Ranks(@Nullable Integer rank, @Nullable Double energy) {
    public Ranks {
        if ((rank == null) == (energy == null)) {
            throw refused("one of --rank and --energy must be given, and not both");
        }
        if (rank != null && rank < 1) {
            throw refused("--rank must be at least 1, was " + rank);
        }
        if (energy != null && !(energy > 0 && energy <= 1)) {
            throw refused("--energy must be above 0 and at most 1, was " + energy);
        }
    }

    private static TrainerException refused(String why) {
        return new TrainerException(Reason.InvalidConfiguration, why);
    }

    /** How many of those of {@code singular}, the greatest first; at least 1. */
    int of(double[] singular) {
        if (rank != null) {
            return Math.min(rank, singular.length);
        }
        double all = 0;
        for (double s : singular) {
            all += s * s;
        }
        double sum = 0;
        int kept = 0;
        // The last ones are rounding, of which all but nothing is enough.
        while (kept < singular.length && (kept == 0 || sum < all * Objects.requireNonNull(energy) - all * 1e-12)) {
            sum += singular[kept] * singular[kept];
            kept++;
        }
        return kept;
    }
}
