package training.lora.trainer.publish;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.SystemFiles;
import training.lora.trainer.files.WholeFile;

/**
 * A folder, which need not be there yet.
 *
 * @param option what names another one
 */
record FolderStore(Path folder, String option) implements OutputStore {
    @Override
    public List<String> entries() throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(entry -> entry.getFileName().toString())
                    .filter(name -> !SystemFiles.isOne(name))
                    .sorted()
                    .toList();
        }
    }

    @Override
    public List<String> below(String name) throws IOException {
        Path top = folder.resolve(name);
        if (!Files.isDirectory(top)) {
            return List.of();
        }
        try (Stream<Path> files = Files.find(top, Integer.MAX_VALUE, (f, a) -> !a.isDirectory())) {
            return files.map(file -> folder.relativize(file).toString()).toList();
        }
    }

    @Override
    public boolean exists(String name) {
        return Files.exists(folder.resolve(name), LinkOption.NOFOLLOW_LINKS);
    }

    @Override
    public byte @Nullable [] read(String name) throws IOException {
        Path file = folder.resolve(name);
        return Files.exists(file) ? Files.readAllBytes(file) : null;
    }

    @Override
    public void write(String name, byte[] content) throws IOException {
        WholeFile.write(folder.resolve(name), temporary -> Files.write(temporary, content));
    }

    @Override
    public boolean create(String name, byte[] content) throws IOException {
        Files.createDirectories(folder);
        Path file = folder.resolve(name);
        // Of its own name, since two processes may do this at once; a link, since renaming would overwrite.
        Path temporary = folder.resolve("." + name + "." + UUID.randomUUID() + ".tmp");
        try {
            Files.write(temporary, content, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            Files.createLink(file, temporary);
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        } catch (UnsupportedOperationException | FileSystemException e) {
            if (!Files.exists(temporary)) {
                throw e;
            }
            return createWithoutLinks(file, content);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** For file systems that have no links, such as those over buckets. */
    private static boolean createWithoutLinks(Path file, byte[] content) throws IOException {
        try {
            Files.createFile(file);
        } catch (FileAlreadyExistsException e) {
            return false;
        }
        try {
            Files.write(file, content);
            return true;
        } catch (IOException e) {
            Files.deleteIfExists(file);
            throw e;
        }
    }

    @Override
    public void put(String name, Path file, @Nullable String sha256) throws IOException {
        WholeFile.write(
                folder.resolve(name), temporary -> Files.copy(file, temporary, StandardCopyOption.REPLACE_EXISTING));
    }

    @Override
    public void delete(String name) throws IOException {
        Path file = folder.resolve(name);
        Files.deleteIfExists(file);
        Files.deleteIfExists(WholeFile.temporary(file));
        for (Path parent = file.getParent();
                parent != null && !parent.equals(folder) && deleteIfEmpty(parent);
                parent = parent.getParent()) {}
    }

    @Override
    public void delete(String name, byte[] content) throws IOException {
        if (Arrays.equals(read(name), content)) {
            delete(name);
        }
    }

    private static boolean deleteIfEmpty(Path folder) throws IOException {
        try {
            return Files.deleteIfExists(folder);
        } catch (DirectoryNotEmptyException e) {
            return false;
        }
    }

    /** Temporary files have fixed names, so that they are found when they are in the way. */
    @Override
    public void cleanUp(Predicate<String> own) {}

    @Override
    public String place(String name) {
        return name.isEmpty() ? folder.toString() : folder.resolve(name).toString();
    }
}
