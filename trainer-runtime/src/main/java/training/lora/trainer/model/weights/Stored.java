package training.lora.trainer.model.weights;

/**
 * Where a file keeps a weight: a tensor, or an equal part of its rows.
 *
 * @param key the tensor's name
 * @param part number of the part
 * @param parts how many there are
 * @param transposed whether rows are columns there
 */
public record Stored(String key, int part, int parts, boolean transposed) {
    public static Stored whole(String key) {
        return new Stored(key, 0, 1, false);
    }

    /** The tensor's shape, where the weight's is {@code shape}. */
    public long[] shape(long[] shape) {
        long[] stored = shape.clone();
        if (transposed) {
            stored[0] = shape[1];
            stored[1] = shape[0];
        }
        stored[0] *= parts;
        return stored;
    }
}
