package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.WholeFile;

/**
 * What earlier preparations of a workspace made, per picture and step, by a digest over all that it was made from. A file's
 * name is that digest and a checksum of its content, so that what was damaged since is made anew. Threads may share it.
 */
final class StepCache {
    private static final Logger LOG = LoggerFactory.getLogger(StepCache.class);

    /** The steps whose results are kept. */
    enum Step {
        /** What a prepared picture is cut from and how it looks, as JSON. */
        PICTURE(5),
        /** A prepared picture, a PNG. */
        PNG(5),
        MASK(5),
        CAPTION(1),
        /** What a language model answered. */
        LANGUAGE(1),
        TEXT(1),
        LATENTS(1);

        /** Is raised where the same inputs give something else than by earlier releases, which then is made anew. */
        private final int version;

        Step(int version) {
            this.version = version;
        }

        private String folder() {
            return name().toLowerCase(Locale.ROOT) + "-" + version;
        }
    }

    /** What a data set depends on that is made by these steps. */
    static String versions() {
        return Stream.of(Step.values()).map(Step::folder).collect(Collectors.joining(" "));
    }

    private final Path folder;
    private final Map<Step, Map<String, Path>> files = new EnumMap<>(Step.class);
    private final Map<Step, Set<String>> used = new EnumMap<>(Step.class);
    private final Map<Step, AtomicInteger> made = new EnumMap<>(Step.class);

    private StepCache(Path folder) {
        this.folder = folder;
    }

    /** Opens the one in {@code folder}, which need not be there. */
    static StepCache open(Path folder) throws IOException {
        StepCache cache = new StepCache(folder);
        cache.deleteOtherVersions();
        for (Step step : Step.values()) {
            Map<String, Path> found = new ConcurrentHashMap<>();
            Path files = cache.folder(step);
            Files.createDirectories(files);
            try (Stream<Path> all = Files.list(files)) {
                for (Path file : all.toList()) {
                    String name = file.getFileName().toString();
                    int dash = name.indexOf('-');
                    if (dash > 0 && !name.startsWith(".")) {
                        found.put(name.substring(0, dash), file);
                    } else {
                        // Left by a process that was killed.
                        Files.deleteIfExists(file);
                    }
                }
            }
            cache.files.put(step, found);
            cache.used.put(step, ConcurrentHashMap.newKeySet());
            cache.made.put(step, new AtomicInteger());
        }
        return cache;
    }

    private Path folder(Step step) {
        return folder.resolve(step.folder());
    }

    private void deleteOtherVersions() throws IOException {
        Files.createDirectories(folder);
        Set<String> own = Stream.of(Step.values()).map(Step::folder).collect(Collectors.toSet());
        try (Stream<Path> all = Files.list(folder)) {
            for (Path other : all.toList()) {
                if (!own.contains(other.getFileName().toString())) {
                    Folders.delete(other);
                }
            }
        }
    }

    /** What was made of {@code key}, a digest; null where nothing was, or it is damaged. */
    byte @Nullable [] get(Step step, String key) throws IOException {
        Path file = of(step).get(key);
        if (file == null || !Files.isRegularFile(file)) {
            return null;
        }
        byte[] content = Files.readAllBytes(file);
        if (!file.getFileName().toString().equals(name(key, content))) {
            LOG.warn("{} is damaged, and is made anew", file);
            return null;
        }
        used(step).add(key);
        return content;
    }

    /** Keeps what was just made of {@code key}. */
    void put(Step step, String key, byte[] content) throws IOException {
        Path file = folder(step).resolve(name(key, content));
        // Two items may be one picture, and are made at the same time.
        WholeFile.writeShared(file, temporary -> Files.write(temporary, content));
        Path before = of(step).put(key, file);
        if (before != null && !before.equals(file)) {
            Files.deleteIfExists(before);
        }
        used(step).add(key);
        count(step).incrementAndGet();
    }

    /** Puts what was made of {@code key} at {@code target}, without taking space again where the file system can do that. */
    void link(Step step, String key, Path target) throws IOException {
        Path file = of(step).get(key);
        if (file == null) {
            throw new IllegalStateException("nothing is kept of " + key);
        }
        try {
            Files.createLink(target, file);
        } catch (UnsupportedOperationException | FileSystemException e) {
            Files.copy(file, target);
        }
    }

    /** How many of a step were made since this was opened. */
    int made(Step step) {
        return count(step).get();
    }

    /** Deletes what was neither asked for nor made since this was opened. */
    void deleteUnused() throws IOException {
        for (Step step : Step.values()) {
            for (Map.Entry<String, Path> entry : of(step).entrySet()) {
                if (!used(step).contains(entry.getKey())) {
                    Files.deleteIfExists(entry.getValue());
                    of(step).remove(entry.getKey());
                }
            }
        }
    }

    private Map<String, Path> of(Step step) {
        return java.util.Objects.requireNonNull(files.get(step));
    }

    private Set<String> used(Step step) {
        return java.util.Objects.requireNonNull(used.get(step));
    }

    private AtomicInteger count(Step step) {
        return java.util.Objects.requireNonNull(made.get(step));
    }

    private static String name(String key, byte[] content) {
        CRC32C checksum = new CRC32C();
        checksum.update(content);
        return "%s-%08x".formatted(key, checksum.getValue());
    }
}
