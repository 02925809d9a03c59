package training.lora.trainer.train.progress;

import training.lora.trainer.order.RunLength;

/** At which steps an undisturbed run writes what, as a function of spec and data alone. */
record Milestones(RunLength length) {
    /** Steps between states where checkpoints are rarer. */
    private static final int STATE_STEPS = 100;

    /** Checkpoints of a run that doesn't say how far they are apart. */
    private static final int CHECKPOINTS = 4;

    /**
     * Whether there is a checkpoint at {@code k} steps done: at the end, and before it at each multiple of the given
     * number of steps or, where none is given, at each quarter of the run.
     */
    boolean checkpoint(int k) {
        if (k <= 0 || k > length.steps()) {
            return false;
        }
        Integer every = length.everySteps();
        return k == length.steps() || (every != null ? k % every == 0 : k == part(parts(k)));
    }

    /** Whether there is a state at {@code k} steps done: the watchdog goes back to these alone. */
    boolean state(int k) {
        return k % STATE_STEPS == 0 || checkpoint(k);
    }

    /** Steps from one checkpoint to the next, at most. */
    int interval() {
        Integer every = length.everySteps();
        return Math.min(length.steps(), every != null ? every : part(1));
    }

    /** Checkpoints that are still to come when {@code k} steps are done. */
    int checkpointsAfter(int k) {
        Integer every = length.everySteps();
        if (k == length.steps()) {
            return 0;
        }
        return every == null ? count() - parts(k) : (length.steps() - 1) / every + 1 - k / every;
    }

    private int count() {
        return Math.min(CHECKPOINTS, length.steps());
    }

    /** Steps at the end of part {@code i}, from 1, of {@link #count} that are alike. */
    private int part(int i) {
        return (int) (((long) i * length.steps() + count() - 1) / count());
    }

    /** Parts that have ended when {@code k} steps are done. */
    private int parts(int k) {
        return (int) ((long) k * count() / length.steps());
    }
}
