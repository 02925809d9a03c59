package training.lora.trainer.trained;

import java.io.IOException;
import java.util.function.Function;
import training.lora.trainer.TrainerException;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.RunContext;

/** A training that ended before its last step. */
public final class InterruptedTraining {
    private InterruptedTraining() {}

    /** Whether the workspace holds one, so that the next attempt goes on from there. */
    public static boolean isIn(RunContext context) throws IOException {
        try (StateFiles.State state = StateFiles.of(context)) {
            return state != null && state.position().isInterrupted();
        }
    }

    /**
     * Refuses a run that may not go on from what an interrupted one left in the workspace, as long as all of that is there.
     *
     * @param now what it would be made from
     * @param dataChange says what changed in the data of a digest
     * @throws TrainerException InvalidConfiguration, with all that differs
     */
    public static void requireSame(RunContext context, InputDigests now, Function<String, String> dataChange)
            throws IOException {
        try (StateFiles.State state = StateFiles.of(context)) {
            if (state != null) {
                state.position()
                        .isOf(
                                context.run(),
                                now,
                                dataChange,
                                context.workspace().train());
            }
        }
    }
}
