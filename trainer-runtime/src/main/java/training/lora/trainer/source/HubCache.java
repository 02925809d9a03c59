package training.lora.trainer.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A cache of huggingface_hub, which is only read: HF_HUB_CACHE, else the folder hub of HF_HOME, and on a laptop of
 * ~/.cache/huggingface. Its files are called after their ETags, in blobs, and by their names, in snapshots/COMMIT.
 *
 * @param folder null where there is none
 */
record HubCache(@Nullable Path folder) {
    private static final String SNAPSHOTS = "snapshots";

    static HubCache of(Surroundings surroundings) {
        for (String name : new String[] {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
            String folder = surroundings.variable(name);
            if (folder != null) {
                return new HubCache(Path.of(folder));
            }
        }
        Path home = home(surroundings);
        return new HubCache(home == null ? null : home.resolve("hub"));
    }

    /** The folder of huggingface_hub; null in a pod where none is named. */
    static @Nullable Path home(Surroundings surroundings) {
        String named = surroundings.variable("HF_HOME");
        if (named != null) {
            return Path.of(named);
        }
        String caches = surroundings.variable("XDG_CACHE_HOME");
        String home = surroundings.variable("HOME");
        if (surroundings.inPod() || (caches == null && home == null)) {
            return null;
        }
        return (caches != null ? Path.of(caches) : Path.of(String.valueOf(home), ".cache")).resolve("huggingface");
    }

    /** Where a file of a commit lies; null where it doesn't. */
    @Nullable Path find(HubUri uri, String commit, HubFile file) throws IOException {
        if (folder == null) {
            return null;
        }
        Path repository = folder.resolve(uri.cacheFolder());
        for (Path place : List.of(
                repository.resolve("blobs").resolve(file.etag()),
                repository.resolve(SNAPSHOTS).resolve(commit).resolve(file.path()))) {
            if (Files.isRegularFile(place) && Files.size(place) == file.size()) {
                return place;
            }
        }
        return null;
    }

    /** The commit of a revision as it was last heard of; null where it never was. */
    @Nullable String commit(HubUri uri) throws IOException {
        if (folder == null) {
            return null;
        }
        Path ref = folder.resolve(uri.cacheFolder()).resolve("refs").resolve(uri.revision());
        return uri.fixed()
                ? uri.revision()
                : Files.isRegularFile(ref) ? Files.readString(ref).strip() : null;
    }

    /** The files of a commit that are there; none where the commit isn't. */
    List<HubFile> files(HubUri uri, String commit) throws IOException {
        List<HubFile> files = new ArrayList<>();
        Path snapshot = folder == null
                ? null
                : folder.resolve(uri.cacheFolder()).resolve(SNAPSHOTS).resolve(commit);
        if (snapshot == null || !Files.isDirectory(snapshot)) {
            return files;
        }
        try (Stream<Path> all = Files.walk(snapshot)) {
            for (Path file : all.filter(Files::isRegularFile).toList()) {
                String name = String.valueOf(file.toRealPath().getFileName());
                boolean lfs = name.matches("[0-9a-f]{64}");
                files.add(new HubFile(
                        snapshot.relativize(file).toString(),
                        Files.size(file),
                        name.matches("[0-9a-f]{40}") ? name : GitBlob.of(file),
                        lfs ? name : null));
            }
        }
        return files;
    }
}
