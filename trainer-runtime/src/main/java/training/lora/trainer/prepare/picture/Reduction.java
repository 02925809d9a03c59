package training.lora.trainer.prepare.picture;

/**
 * By how much a picture may be smaller than its file's when it is decoded: JPEG stores frequencies, of which a decoder may leave
 * out the highest, which takes a fraction of the time.
 */
public interface Reduction {
    /** All pixels. */
    Reduction NONE = (width, height) -> 1;

    /** The greatest divisor that a decoder knows. */
    int MOST = 8;

    /**
     * The divisor of both sides; those that a decoder doesn't know are rounded down to 1, 2, 4 or 8.
     *
     * @param width of the upright picture
     * @param height of the upright picture
     */
    int by(int width, int height);
}
