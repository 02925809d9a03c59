package training.lora.trainer.model;

import java.io.IOException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
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
        List<Path> files = new ArrayList<>();
        // Folders are links in caches of downloads and wherever a folder is not to be copied.
        Files.walkFileTree(folder, Set.of(FileVisitOption.FOLLOW_LINKS), Integer.MAX_VALUE, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path visited, BasicFileAttributes attributes) {
                return visited.equals(folder) || isModels(visited)
                        ? FileVisitResult.CONTINUE
                        : FileVisitResult.SKIP_SUBTREE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                if (attributes.isRegularFile() && isModels(file) && isPart(file)) {
                    files.add(file);
                }
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) {
                // A link to a folder that it lies in leads to nothing new.
                if (e instanceof FileSystemLoopException || !isModels(file)) {
                    return FileVisitResult.CONTINUE;
                }
                throw new TrainerException(
                        Reason.InvalidBaseModel, folder + " must be readable, but " + file + " can't be read", e);
            }
        });
        files.sort(null);
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

    /** What is hidden, or a file system's own, is no part of a model. */
    private static boolean isModels(Path file) {
        String name = file.getFileName().toString();
        return !name.startsWith(".") && !name.equals("lost+found");
    }

    /** Whether it may decide what the model does; a tokenizer's merges do too. */
    private static boolean isPart(Path file) {
        String name = file.getFileName().toString();
        return name.endsWith(".json") || name.endsWith(".safetensors") || name.equals("merges.txt");
    }
}
