package training.lora.trainer.evaluate;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.sample.Picture;

/** Drawn pictures by what they depend on, so that an evaluation that was cut off goes on where it was. */
final class PictureCache {
    private final Path folder;

    PictureCache(Path folder) {
        this.folder = folder;
    }

    /** The key of pictures that depend on {@code parts}. */
    static String key(Object... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Object part : parts) {
                digest.update((part + "\n").getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(digest.digest(), 0, 12);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
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
        Publisher.delete(temporary);
        for (int i = 0; i < pictures.size(); i++) {
            pictures.get(i).write(temporary.resolve(name(i)));
        }
        Files.move(temporary, folder.resolve(key), StandardCopyOption.ATOMIC_MOVE);
    }

    private static String name(int i) {
        return "%03d.png".formatted(i);
    }
}
