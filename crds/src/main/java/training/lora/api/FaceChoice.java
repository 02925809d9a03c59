package training.lora.api;

/** Which of several faces in a picture count. */
public enum FaceChoice {
    /** The one with the largest box. */
    Largest,
    /** Each of them. */
    All
}
