package training.lora.trainer.prepare.caption;

import java.nio.file.Path;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.sample.Picture;

/**
 * A picture as it is trained on.
 *
 * @param item what it was made from
 * @param file the prepared picture, a PNG
 */
public record CroppedPicture(Item item, Path file) {
    /** Its pixels. */
    public Picture read() {
        return Picture.read(file);
    }
}
