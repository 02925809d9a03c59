package training.lora.api;

/** Which part of a picture is taken that has another shape than the size that it is brought to. */
public enum CropMode {
    /** The middle. */
    Center,
    /** Around what the mask shows. */
    Salience
}
