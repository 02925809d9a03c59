package training.lora.trainer.files;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;

/**
 * sha256 of files. Those of a base model take minutes to compute, so that a large file's digest is remembered for as long as it
 * is the same: by path, inode, size, and the times of the last change of content and of the inode. The latter can't be set,
 * so that a copy which keeps the time of its original is noticed. Threads may share it.
 */
public final class FileDigests implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FileDigests.class);

    /** A file that changed so shortly before may change again without another time: file systems count in ticks. */
    private static final Duration SETTLED = Duration.ofSeconds(2);

    /** Of smaller files a digest is computed as fast as it is found, and a data set may have 100,000 of them. */
    private static final long REMEMBERED_FROM = 1 << 20;

    private final @Nullable Path store;
    private final InstantSource clock;
    private final Map<String, Remembered> remembered = new ConcurrentSkipListMap<>();
    private volatile boolean changed;

    /** What the store was like when it was last read. */
    private volatile String storeState = "";

    /**
     * A digest and what its file looked like.
     *
     * @param state all that changes with the file
     */
    record Remembered(String state, String sha256) {}

    private FileDigests(@Nullable Path store, InstantSource clock) {
        this.store = store;
        this.clock = clock;
    }

    /** Digests that are remembered in {@code store}, a JSON file, when this is closed. */
    public static FileDigests rememberedIn(Path store) {
        return rememberedIn(store, InstantSource.system());
    }

    static FileDigests rememberedIn(Path store, InstantSource clock) {
        FileDigests digests = new FileDigests(store, clock);
        try {
            digests.readAgain();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return digests;
    }

    private static Map<String, Remembered> read(Path store) {
        if (Files.isRegularFile(store)) {
            try {
                return Json.MAPPER.readValue(store.toFile(), new TypeReference<Map<String, Remembered>>() {});
            } catch (IOException e) {
                LOG.warn("{} is damaged, and digests are computed anew", store);
            }
        }
        return Map.of();
    }

    /** Takes what others have written into the store since it was last read. */
    private void readAgain() throws IOException {
        if (store == null || !Files.isRegularFile(store)) {
            return;
        }
        String state = state(store);
        if (!state.equals(storeState)) {
            remembered.putAll(read(store));
            storeState = state;
        }
    }

    /** Digests that are computed each time. */
    public static FileDigests computed() {
        return new FileDigests(null, InstantSource.system());
    }

    /** The digest of a file that was like this when it was made; null where there is none. */
    private @Nullable String remembered(String key, Map<String, Object> attributes) {
        Remembered known = remembered.get(key);
        return known != null && known.state().equals(attributes.toString()) ? known.sha256() : null;
    }

    /** sha256 of a file's bytes, hex. */
    public String of(Path file) throws IOException {
        if (store == null || Files.size(file) < REMEMBERED_FROM) {
            return Sha256.of(file);
        }
        String key = file.toRealPath().toString();
        Map<String, Object> before = attributes(file);
        String known = remembered(key, before);
        if (known == null) {
            readAgain();
            known = remembered(key, before);
        }
        if (known != null) {
            return known;
        }
        Instant begin = clock.instant();
        String sha256 = Sha256.of(file);
        if (settled(before, begin) && attributes(file).equals(before)) {
            remembered.put(key, new Remembered(before.toString(), sha256));
            changed = true;
        }
        return sha256;
    }

    /** Takes the digest of a file that was hashed while it was written, and that nobody changes any more. */
    public void remember(Path file, String sha256) throws IOException {
        if (store != null && Files.size(file) >= REMEMBERED_FROM) {
            remembered.put(file.toRealPath().toString(), new Remembered(state(file), sha256));
            changed = true;
        }
    }

    /** All that changes with a file, but for its content: another text where the file may be another. */
    public static String state(Path file) throws IOException {
        return attributes(file).toString();
    }

    private static Map<String, Object> attributes(Path file) throws IOException {
        return new TreeMap<>(Files.readAttributes(file, "unix:ino,size,lastModifiedTime,ctime"));
    }

    private static boolean settled(Map<String, Object> attributes, Instant now) {
        return attributes.values().stream()
                .filter(FileTime.class::isInstance)
                .allMatch(time -> ((FileTime) time).toInstant().plus(SETTLED).isBefore(now));
    }

    /** Remembers what was computed, of the files that are still there; where that can't be written, it is computed again. */
    @Override
    public void close() {
        if (store == null || !changed) {
            return;
        }
        // What another has computed meanwhile.
        read(store).forEach(remembered::putIfAbsent);
        remembered.keySet().removeIf(file -> !Files.exists(Path.of(file)));
        try {
            WholeFile.writeShared(store, temporary -> Json.MAPPER.writeValue(temporary.toFile(), remembered));
        } catch (IOException | UncheckedIOException e) {
            LOG.warn("{} can't be written, and digests will be computed again: {}", store, e.getMessage());
        }
    }
}
