package training.lora.trainer.run;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.UNets;

/** Runs in one process that take turns, and have one denoiser, which none of them changes. */
public interface Neighbours {
    /** A run on its own. */
    Neighbours NONE = new Neighbours() {
        @Override
        public void takeTurns() {}

        @Override
        public @Nullable UNets unets(String base) {
            return null;
        }

        @Override
        public @Nullable Path digests() {
            return null;
        }
    };

    /** Called between two steps: lets each of the others make one. */
    void takeTurns();

    /**
     * What keeps the denoiser; null where each run has its own.
     *
     * @param base what it is read from and how it is held, the same text for the same denoiser
     * @throws training.lora.trainer.TrainerException InvalidConfiguration if it is another than the others'
     */
    @Nullable UNets unets(String base);

    /** The file that remembers digests for all, so that a base model is read for one alone; null where each run has its own. */
    @Nullable Path digests();
}
