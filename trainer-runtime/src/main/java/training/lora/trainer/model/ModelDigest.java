package training.lora.trainer.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;

/** Identity of a model: what its files hold, wherever they lie and whatever links lead to them. */
public final class ModelDigest {
    private ModelDigest() {}

    /**
     * sha256, hex, of a model in a folder or a file.
     *
     * @param vae folder or file of the autoencoder that takes the place of the model's own; null where none does
     * @throws TrainerException InvalidBaseModel if a folder holds no file of a model
     */
    public static String of(Path place, @Nullable Path vae, FileDigests digests) throws IOException {
        String own = of(place, digests);
        return vae == null ? own : Sha256.of(own + " " + of(vae, digests));
    }

    private static String of(Path place, FileDigests digests) throws IOException {
        return Files.isDirectory(place) ? folder(place, digests) : digests.of(place);
    }

    /** Over the relative names and digests of the files that a model is read from, in the names' order. */
    private static String folder(Path folder, FileDigests digests) throws IOException {
        List<Path> files;
        // Folders are links in caches of downloads and wherever a folder is not to be copied.
        try (Stream<Path> walk = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            files = walk.filter(f -> isPart(folder.relativize(f)))
                    .filter(Files::isRegularFile)
                    .sorted()
                    .toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        if (files.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    folder + " must hold a model's .json and .safetensors files, but has none");
        }
        Sha256 all = new Sha256();
        for (Path file : files) {
            all.add(folder.relativize(file) + " " + digests.of(file) + "\n");
        }
        return all.hex();
    }

    /** Whether it may decide what the model does; a tokenizer's merges do too. What is hidden belongs to other tools. */
    private static boolean isPart(Path name) {
        for (Path part : name) {
            if (part.toString().startsWith(".")) {
                return false;
            }
        }
        return name.toString().endsWith(".json")
                || name.toString().endsWith(".safetensors")
                || name.endsWith("merges.txt");
    }
}
