package training.lora.trainer.adapter;

import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterSpec;
import training.lora.api.TimestepRankSpec;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.tensor.Randomness;

/**
 * What a pass of training leaves out of an adapter.
 *
 * @param entries share of the entries of a projection's input
 * @param ranks chance of each rank of a module, for each sample (kohya's rank_dropout)
 * @param modules chance of each module's adapter, for a pass (kohya's module_dropout)
 * @param byTimestep how many ranks a sample trains at a timestep (T-LoRA); null for all
 */
public record Dropouts(
        double entries,
        double ranks,
        double modules,
        @Nullable TimestepRankSpec byTimestep) {
    /**
     * Timesteps of a pass.
     *
     * @param timesteps one of each sample, from 0 and below {@code of}
     * @param of how many the noise's schedule has
     */
    public record Times(int[] timesteps, int of) {}

    /** Nothing is left out. */
    public static final Dropouts NONE = ofEntries(0);

    /** Entries alone. */
    public static Dropouts ofEntries(double share) {
        return new Dropouts(share, 0, 0, null);
    }

    /** As the spec has it. */
    static Dropouts of(AdapterSpec spec) {
        return new Dropouts(
                spec.dropout(),
                spec.rankDropout() == null ? 0 : spec.rankDropout(),
                spec.moduleDropout() == null ? 0 : spec.moduleDropout(),
                spec.timestepRank());
    }

    /** Whether a module's adapter is left out of the pass {@code step}. */
    boolean leavesOut(Projection projection, long seed, long step) {
        return modules > 0
                && Randomness.generator(seed, step, "lora/module-dropout/" + projection.path())
                                .nextDouble()
                        < modules;
    }

    /** Whether there is a {@link #mask} beside {@code projection}. */
    boolean masks(Projection projection) {
        return ranks > 0 || byTimestep != null && projection.component() == Component.UNet;
    }

    /**
     * What A x of a projection is multiplied by in the pass {@code step}, (samples, rank) as rows: 0 for ranks that are left
     * out; the others are scaled up for those that were drawn, as kohya does, and not for those of the timestep.
     *
     * @param times of each sample
     */
    float[] mask(Projection projection, int rank, Times times, long seed, long step) {
        int[] timesteps = times.timesteps();
        float[] mask = new float[timesteps.length * rank];
        SplittableRandom drawn = Randomness.generator(seed, step, "lora/rank-dropout/" + projection.path());
        for (int i = 0; i < timesteps.length; i++) {
            int active = projection.component() == Component.UNet ? active(rank, timesteps[i], times.of()) : rank;
            for (int j = 0; j < rank; j++) {
                boolean kept = ranks == 0 || drawn.nextDouble() >= ranks;
                mask[i * rank + j] = kept && j < active ? (float) (1 / (1 - ranks)) : 0;
            }
        }
        return mask;
    }

    /** T-LoRA's (LyCORIS tlora.py): min(R, int(((T - t) / T)^exponent (R - minimum)) + minimum). */
    private int active(int rank, int timestep, double steps) {
        if (byTimestep == null) {
            return rank;
        }
        double share = Math.pow((steps - timestep) / steps, byTimestep.exponent());
        int least = Math.min(rank, byTimestep.minimum());
        return Math.min(rank, (int) (share * (rank - least)) + least);
    }
}
