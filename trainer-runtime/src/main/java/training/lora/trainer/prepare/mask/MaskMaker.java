package training.lora.trainer.prepare.mask;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;

/**
 * Makes masks of whole pictures, before they are cropped. Masks are made by the stage's thread alone, in the order of the
 * items, while other threads decode; so it may use all processors. What they depend on is asked for by all threads.
 */
public interface MaskMaker extends AutoCloseable {
    /**
     * How much each part of a picture counts. It depends on the picture, the item and the settings alone.
     *
     * @param photo the decoded picture, which stays the caller's
     * @return 8 bits and one channel, as large as the picture, 255 what counts fully; the caller releases it. Null: all of it
     * @throws UnusableMaskException if there is no mask to be had
     */
    @Nullable Mat mask(Item item, Photo photo) throws IOException, UnusableMaskException;

    /**
     * All that the mask of an item depends on but the picture: settings, and digests of models and files. Several threads
     * call it at once.
     */
    String key(Item item) throws IOException;

    /**
     * Whether something is looked for in the item's picture, which may not be there: then a mask that leaves nothing of what is
     * learned is none, and people are told of pictures that count as a whole.
     */
    default boolean looksFor(Item item) {
        return false;
    }

    /** Frees what it holds. */
    @Override
    default void close() {}
}
