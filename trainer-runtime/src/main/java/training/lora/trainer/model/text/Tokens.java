package training.lora.trainer.model.text;

/**
 * A text as CLIP reads it.
 *
 * @param ids begin, the text, end, padding
 * @param truncated whether the text was too long and lost its end
 */
public record Tokens(long[] ids, boolean truncated) {
    /** Position of the first {@code end} token. */
    public int firstOf(long end) {
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] == end) {
                return i;
            }
        }
        return ids.length - 1;
    }
}
