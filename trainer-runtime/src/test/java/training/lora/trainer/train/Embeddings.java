package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;

/** What batches are told that come embedded. */
final class Embeddings {
    private Embeddings() {}

    /** (B, S, D). */
    static NDArray of(Batch batch) {
        return ((Told.Embedded) batch.told()).conditioning().context();
    }
}
