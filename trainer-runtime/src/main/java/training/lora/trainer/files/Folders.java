package training.lora.trainer.files;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Whole folders. */
public final class Folders {
    private Folders() {}

    /**
     * Looks whether files can be written below {@code folder}, which need not be there yet; makes nothing.
     *
     * @param option that names it
     * @throws TrainerException InvalidConfiguration if not
     */
    public static void requireWritable(String option, Path folder) {
        Path there = folder.toAbsolutePath().normalize();
        while (there.getParent() != null && !Files.exists(there)) {
            there = there.getParent();
        }
        if (!Files.isDirectory(there)) {
            throw unwritable(option, folder, there + " is a file");
        }
        if (!Files.isWritable(there)) {
            throw unwritable(option, folder, there + " is read-only for this process");
        }
    }

    /**
     * Makes {@code folder} where it is missing.
     *
     * @param option that names it
     * @throws TrainerException InvalidConfiguration if it can't be made or written to
     */
    public static void create(String option, Path folder) throws IOException {
        requireWritable(option, folder);
        try {
            Files.createDirectories(folder);
        } catch (NoSuchFileException | AccessDeniedException e) {
            throw unwritable(option, folder, "it can't be made");
        }
    }

    private static TrainerException unwritable(String option, Path folder, String why) {
        return new TrainerException(
                Reason.InvalidConfiguration,
                "`%s` %s must be a folder that can be written to, but %s".formatted(option, folder, why));
    }

    /** Those of the entries of {@code folder} that are {@code wanted}, by their names, without what operating systems leave there. */
    public static List<Path> list(Path folder, Predicate<Path> wanted) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(entry -> !SystemFiles.isOne(FileName.of(entry)))
                    .filter(wanted)
                    .sorted()
                    .toList();
        }
    }

    /** Deletes what has such a name in {@code folder}, if that is there, and leaves all else. */
    public static void deleteIn(Path folder, Predicate<String> name) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (Stream<Path> all = Files.list(folder)) {
            for (Path entry :
                    all.filter(e -> name.test(e.getFileName().toString())).toList()) {
                delete(entry);
            }
        }
    }

    /** Deletes a file, or a folder with all that is in it, if it is there; links are not followed. */
    public static void delete(Path folder) throws IOException {
        try {
            Files.walkFileTree(folder, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException problem)
                        throws IOException {
                    if (problem != null) {
                        throw problem;
                    }
                    Files.delete(visited);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (NoSuchFileException e) {
            return;
        }
    }
}
