package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;

/** What batches are told that come embedded. */
public final class Embeddings {
    private Embeddings() {}

    /** (B, S, D). */
    public static NDArray of(Batch batch) {
        return ((Told.Embedded) batch.told()).conditioning().context();
    }
}
