package training.lora.trainer.prepare.place;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.trainer.prepare.picture.Item;

/** A way of sizing and cropping. It is called by several threads at once, and is the same whatever their order. */
public interface Placement {
    /**
     * The prepared pictures that are made of an item's; each becomes a sample of its own, in this order.
     *
     * @param width of the whole, upright picture
     * @param height of the whole, upright picture
     * @param mask of the whole picture, 8 bits; null where all of it counts
     */
    List<Place> places(Item item, int width, int height, @Nullable Mat mask);

    /** All that the places of an item depend on but its picture and mask. */
    String key(Item item);

    /** Whether it looks at masks. */
    boolean usesMask();
}
