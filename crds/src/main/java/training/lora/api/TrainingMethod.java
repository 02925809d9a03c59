package training.lora.api;

/** What of the model a training changes. */
public enum TrainingMethod {
    /** An adapter beside the model's weights, and with {@code tokens} embeddings of new tokens together with it (pivotal tuning). */
    Adapter,
    /** Embeddings of new tokens alone (Gal et al. 2022). */
    TextualInversion,
    /** The denoiser's own weights. */
    FullFineTuning
}
