package training.lora.trainer.model.layer;

/** What a recorded pass keeps for its way back. */
public enum Keep {
    /** What each layer's backward needs. */
    LayerStates,
    /**
     * The inputs of blocks alone: a block's layers run again before they are walked back (gradient checkpointing, Chen et
     * al. 2016), which takes less memory and a forward pass more of time, and comes to the same bits.
     */
    BlockInputs
}
