package training.lora.trainer.evaluate;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.sample.Picture;

/** Drawn pictures by what they depend on, so that an evaluation that was cut off goes on where it was. */
final class PictureCache {
    private final Path folder;

    PictureCache(Path folder) {
        this.folder = folder;
    }

    /** The key of pictures that depend on {@code parts}. */
    static String key(Object... parts) {
        Sha256 all = new Sha256();
        for (Object part : parts) {
            all.add(part + "\n");
        }
        return all.hex().substring(0, 24);
    }

    /** The pictures under {@code key}, or null. */
    @Nullable List<Picture> find(String key, int count) {
        Path place = folder.resolve(key);
        if (!Files.isDirectory(place)) {
            return null;
        }
        List<Picture> pictures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            pictures.add(Picture.read(place.resolve(name(i))));
        }
        return pictures;
    }

    void put(String key, List<Picture> pictures) throws IOException {
        Path temporary = folder.resolve("." + key + ".tmp");
        Folders.delete(temporary);
        try {
            for (int i = 0; i < pictures.size(); i++) {
                pictures.get(i).write(temporary.resolve(name(i)));
            }
            Files.move(temporary, folder.resolve(key), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Folders.delete(temporary);
        }
    }

    private static String name(int i) {
        return "%03d.png".formatted(i);
    }
}
