package training.lora.trainer.prepare.mask;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.MaskSource;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;

/** A file beside the picture is its mask. */
public final class FileMasks implements MaskMaker {
    private final FileDigests digests;

    /** @param digests stays the caller's */
    public FileMasks(FileDigests digests) {
        this.digests = digests;
    }

    @Override
    public @Nullable Mat mask(Item item, Photo photo) throws IOException, UnusableMaskException {
        Path file = item.mask();
        if (file == null) {
            return null;
        }
        try (Photo mask = Photo.decode(file)) {
            if (mask == null) {
                throw new UnusableMaskException("the mask of " + item.name() + " can't be read");
            }
            if (mask.width() != photo.width() || mask.height() != photo.height()) {
                throw new UnusableMaskException("the mask of %s has %dx%d pixels and the picture %dx%d"
                        .formatted(item.name(), mask.width(), mask.height(), photo.width(), photo.height()));
            }
            return mask.mask();
        }
    }

    @Override
    public String key(Item item) throws IOException {
        return MaskSource.Files + (item.mask() == null ? "" : " " + digests.of(item.mask()));
    }
}
