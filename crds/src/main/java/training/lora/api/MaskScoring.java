package training.lora.api;

/** What CLIPSeg's answer to a prompt is compared with. */
public enum MaskScoring {
    /** Its answer to the empty text, as in Eden's trainer. */
    Softmax,
    /** Nothing: its own probability, as it was trained. */
    Sigmoid
}
