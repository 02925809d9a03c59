package training.lora.trainer.source;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.SystemFiles;

/** Models that come as archives: each is unpacked once, into the cache. */
public final class Unpacker {
    private static final Logger LOG = LoggerFactory.getLogger(Unpacker.class);

    private final Cache cache;
    private final Supplier<FileDigests> digests;
    private final BooleanSupplier stopping;
    private final Map<Path, Path> known = new ConcurrentHashMap<>();

    /**
     * @param digests remembers digests of large files; each is closed
     * @param stopping whether the process was asked to end
     */
    public Unpacker(Cache cache, Supplier<FileDigests> digests, BooleanSupplier stopping) {
        this.cache = cache;
        this.stopping = stopping;
        this.digests = digests;
    }

    /** What {@code path} holds where that is an archive, else {@code path}. */
    Path opened(Source source, Path path) {
        Path before = known.get(path);
        if (before != null) {
            return before;
        }
        try {
            Path opened = Files.isRegularFile(path) && FileKind.of(path).archive() ? unpack(source, path) : path;
            known.put(path, opened);
            return opened;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What {@code path} was unpacked to by this process; null if it wasn't. */
    @Nullable Path unpacked(Path path) {
        Path opened = known.get(path);
        return path.equals(opened) ? null : opened;
    }

    private Path unpack(Source source, Path path) throws IOException {
        String sha256;
        try (FileDigests files = digests.get()) {
            sha256 = files.of(path);
        }
        Path folder;
        try {
            folder = cache.unpacked(sha256, target -> {
                LOG.info("unpacking {}", source);
                Archive.unpack(path, target, Archive.MODEL_LIMITS, stopping);
            });
        } catch (TrainerException e) {
            throw e.reason() == training.lora.api.Reason.InvalidData
                    ? source.failure(
                            source.use().invalid(),
                            "must be an archive that can be unpacked, but "
                                    + String.valueOf(e.getMessage()).replace(path.toString(), "it"),
                            e)
                    : e;
        }
        return top(folder);
    }

    /** Archives often hold one folder, which holds the rest. */
    private static Path top(Path folder) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            List<Path> entries = all.filter(entry -> !SystemFiles.isOne(String.valueOf(entry.getFileName())))
                    .toList();
            if (entries.size() != 1) {
                return folder;
            }
            Path only = entries.get(0);
            return Files.isDirectory(only) ? top(only) : only;
        }
    }
}
