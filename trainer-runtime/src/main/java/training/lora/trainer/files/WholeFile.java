package training.lora.trainer.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.UUID;

/** Files that stand under their name only when they are whole. */
public final class WholeFile {
    private WholeFile() {}

    /** Writes a file's content. */
    public interface Content {
        /** @param temporary where to; it may be there already, from a process that was killed */
        void writeTo(Path temporary) throws IOException;
    }

    /** The name under which {@code file} is written, and which a killed process leaves. */
    public static Path temporary(Path file) {
        return file.resolveSibling("." + file.getFileName() + ".tmp");
    }

    /** Lets {@code content} write under a temporary name beside {@code file}, then renames; nothing is left of a failure. */
    public static void write(Path file, Content content) throws IOException {
        write(file, temporary(file), content);
    }

    /** The same for a file that other processes may write at the same time: one of them wins, and none meets another's half. */
    public static void writeShared(Path file, Content content) throws IOException {
        write(file, file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID()), content);
    }

    private static void write(Path file, Path temporary, Content content) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        try {
            content.writeTo(temporary);
            Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }
}
