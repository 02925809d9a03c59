package training.lora.trainer.train;

import training.lora.trainer.dataset.RunLength;

/** At which steps an undisturbed run writes what, as a function of spec and data alone. */
record Milestones(RunLength length) {
    /** Steps between states where checkpoints are rarer. */
    private static final int STATE_STEPS = 100;

    /** Whether there is a checkpoint at {@code k} steps done. */
    boolean checkpoint(int k) {
        return k > 0 && (k % length.interval() == 0 || k == length.steps());
    }

    /** Whether there is a state at {@code k} steps done: the watchdog goes back to these alone. */
    boolean state(int k) {
        return k % STATE_STEPS == 0 || checkpoint(k);
    }
}
