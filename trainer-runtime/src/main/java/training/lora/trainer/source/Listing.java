package training.lora.trainer.source;

import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.files.Sha256;

/**
 * What a source names today.
 *
 * @param version what it was resolved to, for people: a commit, an ETag, a version's id; null where nothing says so
 * @param folder whether it is a folder; else one file
 * @param files all that are needed
 */
public record Listing(@Nullable String version, boolean folder, List<RemoteFile> files) {
    public Listing {
        files = List.copyOf(files);
        if (!folder && files.size() != 1) {
            throw new IllegalArgumentException("one file, not " + files.size());
        }
    }

    /** The same for the same content, sha256 in hex; null where a file has no identity. */
    public @Nullable String fingerprint() {
        if (files.stream().anyMatch(file -> file.identity() == null)) {
            return null;
        }
        Sha256 all = new Sha256();
        files.stream()
                .map(file -> (folder ? file.path() : "") + " " + file.identity() + "\n")
                .sorted()
                .forEach(all::add);
        return all.hex();
    }

    /** Bytes in all; negative where that of a file is unknown. */
    public long size() {
        return files.stream().anyMatch(file -> file.size() < 0)
                ? -1
                : files.stream().mapToLong(RemoteFile::size).sum();
    }
}
