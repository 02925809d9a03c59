package training.lora.trainer.publish;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Files by name, in a folder or in a bucket. Each stands under its name only when it is whole. */
interface OutputStore {
    /** The names of files and folders at the top, but for what systems leave everywhere. */
    List<String> entries() throws IOException;

    /** The names of all files below a folder, whose name ends in a slash. */
    List<String> below(String folder) throws IOException;

    /** Whether there is anything of that name. */
    boolean exists(String name) throws IOException;

    /** The content of a small file; null if there is none. */
    byte @Nullable [] read(String name) throws IOException;

    /** Writes a small file, whatever was there. */
    void write(String name, byte[] content) throws IOException;

    /** Writes a small file where there is none; false if there is one, be it another process's of the same moment. */
    boolean create(String name, byte[] content) throws IOException;

    /**
     * Puts a copy of {@code file} there, whatever was there.
     *
     * @param sha256 of the file, hex; null: nobody has hashed it yet
     */
    void put(String name, Path file, @Nullable String sha256) throws IOException;

    /** Deletes a file, if it is there, what an interrupted {@link #put} left of it, and folders that are empty without it. */
    void delete(String name) throws IOException;

    /** Deletes a small file, if it has that content: what another process has put there meanwhile stays. */
    void delete(String name, byte[] content) throws IOException;

    /** Removes what killed processes left of files that never became whole, under names that {@code own} accepts. */
    void cleanUp(Predicate<String> own);

    /** Where a name is, for messages; that of the whole where it is empty. */
    String place(String name);

    /** What names another place, for messages. */
    String option();
}
