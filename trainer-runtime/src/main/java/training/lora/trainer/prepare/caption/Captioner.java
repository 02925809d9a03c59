package training.lora.trainer.prepare.caption;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Says in words what pictures show. It is called by the stage's thread alone, in the order of the items. */
public interface Captioner extends AutoCloseable {
    /** How many pictures it takes at most in one call. */
    int atOnce();

    /**
     * A caption for each of some pictures, in their order, without the concept's words and the prefix.
     *
     * @throws DeclinedPicturesException if it declines some of them
     */
    List<String> captions(List<CroppedPicture> pictures) throws IOException, DeclinedPicturesException;

    /** All that captions depend on but the picture: settings and the model's digest. */
    String key();

    /** What it has cost so far, in a sentence; null where it costs nothing but time. */
    default @Nullable String cost() {
        return null;
    }

    /** What people should know of its captions, in a sentence; null if nothing. */
    default @Nullable String note() {
        return null;
    }

    /** Frees what it holds. */
    @Override
    default void close() {}
}
