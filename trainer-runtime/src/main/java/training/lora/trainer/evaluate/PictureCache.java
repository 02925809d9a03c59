package training.lora.trainer.evaluate;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.sample.ImageSampler;

/**
 * Files of drawn pictures by what they depend on, so that an evaluation that was cut off goes on where it was, and none
 * needs to be held in memory.
 */
final class PictureCache {
    private final Path folder;

    /** Draws pictures. */
    @FunctionalInterface
    interface Drawing {
        /** Gives all pictures to {@code sink}. */
        void into(ImageSampler.Sink sink) throws IOException;
    }

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
    @Nullable List<Path> find(String key, int count) {
        return Files.isDirectory(folder.resolve(key)) ? files(key, count) : null;
    }

    /** Keeps the {@code count} pictures of {@code drawing} under {@code key}, where they appear when all are there. */
    List<Path> put(String key, int count, Drawing drawing) throws IOException {
        Path temporary = folder.resolve("." + key + ".tmp");
        Folders.delete(temporary);
        try {
            drawing.into((i, picture) -> picture.write(temporary.resolve(name(i))));
            Files.move(temporary, folder.resolve(key), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Folders.delete(temporary);
        }
        return files(key, count);
    }

    private List<Path> files(String key, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> folder.resolve(key).resolve(name(i)))
                .toList();
    }

    private static String name(int i) {
        return "%03d.png".formatted(i);
    }
}
