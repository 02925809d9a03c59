package training.lora.trainer.trained;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.run.RunContext;

/** Measures checkpoints while it trains, by their files alone: the same file has the same numbers whenever it is asked. */
public interface CheckpointJudge extends AutoCloseable {
    /**
     * Measures.
     *
     * @param checkpoint whose files stand in the workspace
     * @param drew told how many pictures each batch added; may throw to end it
     * @return it, with what was measured
     */
    Checkpoint measure(Checkpoint checkpoint, IntConsumer drew) throws IOException;

    /** Of the models that measure: numbers of others can't be compared. */
    String digest();

    @Override
    void close();

    /** Opens a judge for a run. */
    @FunctionalInterface
    interface Factory {
        /** A judge, before the model's text encoders are let go; null where the run asks for none. */
        @Nullable CheckpointJudge open(RunContext context, PreparedDataset data, StableDiffusion model, NDManager manager)
                throws IOException;
    }
}
