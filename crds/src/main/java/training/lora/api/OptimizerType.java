package training.lora.api;

/** Algorithms that move the adapter. */
public enum OptimizerType {
    AdamW,
    /** AdamW with moments of 8 bits. */
    AdamW8bit,
    Adafactor,
    /** Confidence-guided adaptive memory-efficient optimization. */
    CAME,
    Lion,
    Prodigy,
    ScheduleFreeAdamW,
    ProdigyScheduleFree;

    /** Whether it finds its rate by itself, and is given what this is multiplied by. */
    public boolean findsItsRate() {
        return this == Prodigy || this == ProdigyScheduleFree;
    }

    /** Whether what it puts out is an average over its way, in place of a falling rate. */
    public boolean scheduleFree() {
        return this == ScheduleFreeAdamW || this == ProdigyScheduleFree;
    }

    /** Whether it can move a layer's weights before the next one's gradients are there, as full fine-tuning asks. */
    public boolean movesLayerByLayer() {
        return !findsItsRate() && !scheduleFree();
    }

    /** Whether its moments decay by rates that can be given. */
    boolean hasBetas() {
        return this != Adafactor;
    }
}
