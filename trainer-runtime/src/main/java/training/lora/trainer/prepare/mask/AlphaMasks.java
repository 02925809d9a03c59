package training.lora.trainer.prepare.mask;

import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.MaskSource;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;

/** A picture's alpha channel is its mask. */
public final class AlphaMasks implements MaskMaker {
    @Override
    public @Nullable Mat mask(Item item, Photo photo) {
        return photo.alpha() == null ? null : photo.alpha().clone();
    }

    @Override
    public String key(Item item) {
        return MaskSource.Alpha.name();
    }
}
