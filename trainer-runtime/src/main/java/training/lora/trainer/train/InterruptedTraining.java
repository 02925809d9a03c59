package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import training.lora.trainer.run.RunContext;

/** A training that ended before its last step. */
public final class InterruptedTraining {
    private InterruptedTraining() {}

    /** Whether the workspace holds one, so that the next attempt goes on from there. */
    public static boolean isIn(RunContext context) throws IOException {
        try (NDManager manager = context.manager().newSubManager();
                StateFiles.State state = StateFiles.of(context, manager)) {
            return state != null && state.position().isInterrupted();
        }
    }
}
