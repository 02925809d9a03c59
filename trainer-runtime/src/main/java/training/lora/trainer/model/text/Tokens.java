package training.lora.trainer.model.text;

/**
 * A text as CLIP reads it.
 *
 * @param ids begin, the text, end, padding; those of added tokens are below 0, the first -1, the second -2
 * @param truncated whether the text was too long and lost its end
 */
public record Tokens(long[] ids, boolean truncated) {
    /** The id of an added token. */
    static long added(int index) {
        return -1 - index;
    }

    /** Which added token an id below 0 is. */
    public static int index(long id) {
        return (int) (-1 - id);
    }

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
