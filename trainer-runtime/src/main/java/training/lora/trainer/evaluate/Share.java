package training.lora.trainer.evaluate;

/** A value's place between two others. */
final class Share {
    /**
     * Cosines of CLIP that differ by less say nothing: where 0 and 1 lie nearer together, 0 moves away. A base model that
     * is at 1 already then has 1, not 0 or 0 / 0.
     */
    static final double LEAST_RANGE = 0.05;

    private Share() {}

    /** 1 where {@code value} is {@code one} or more, 0 where it is {@code zero} or less, in proportion between them. */
    static double of(double value, double zero, double one) {
        double missing = (one - value) / Math.max(one - zero, LEAST_RANGE);
        return 1 - Math.min(1, Math.max(0, missing));
    }
}
