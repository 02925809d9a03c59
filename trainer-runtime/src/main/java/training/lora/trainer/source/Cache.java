package training.lora.trainer.source;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.files.WholeFile;

/**
 * Fetched files, which lie by their digest, so that none is there twice and none ever changes. Processes may share one:
 * files appear whole, by a rename, and of two that want the same one fetches it. What nobody needs any more may be deleted
 * while no process uses it.
 *
 * <pre>
 * blobs/DIGEST           a file's bytes
 * trees/DIGEST/…         files under their names, which are links to blobs
 * unpacked/DIGEST/…      what an archive holds
 * known/…                which digest a content had that is known by an ETag or a commit
 * partial/…              what is on its way
 * </pre>
 *
 * @param root its folder
 */
public record Cache(Path root) {
    private static final Logger LOG = LoggerFactory.getLogger(Cache.class);

    private static final long POLL_MILLIS = 200;

    /** So old a temporary name is nobody's any more. */
    private static final Duration LEFT = Duration.ofDays(1);

    /** So long what was refused is not fetched again: a server may have mended it under the same version. */
    private static final Duration REJECTED = Duration.ofDays(7);

    private static final String ALONE = ".alone";

    /** So long another process may stand still before the file is fetched beside it. */
    private static final long STALLED_NANOS = TimeUnit.MINUTES.toNanos(2);

    /**
     * That of LORA_CACHE.
     *
     * @param otherwise its folder where that is not set
     */
    public static Cache of(Surroundings surroundings, Path otherwise) {
        String shared = surroundings.variable("LORA_CACHE");
        return new Cache(
                (shared == null ? otherwise : Path.of(shared)).toAbsolutePath().normalize());
    }

    /** Fetches a file. */
    interface Fetch {
        /**
         * @param part where to; what is there already is the beginning of the file
         * @return the digest
         */
        String into(Path part) throws IOException;
    }

    /** What came twice and was refused for its digest, so that nobody fetches it again for a while. */
    interface Rejected {
        /** The digest of a content; null if it is not known. */
        @Nullable String get(String version) throws IOException;

        void put(String version, String sha256) throws IOException;
    }

    Rejected rejected() {
        return new Rejected() {
            @Override
            public @Nullable String get(String version) throws IOException {
                String identity = "rejected " + version;
                Path file = knownFile(identity);
                return isOlder(file, REJECTED) ? null : known(identity);
            }

            @Override
            public void put(String version, String sha256) throws IOException {
                writeKnown("rejected " + version, sha256);
            }
        };
    }

    /** The bytes of a digest; they need not be there. */
    Path blob(String sha256) {
        return root.resolve("blobs").resolve(sha256);
    }

    /** The digest of a file whose bytes are here; null if they aren't. */
    @Nullable String find(RemoteFile file) throws IOException {
        String sha256 = file.sha256() != null ? file.sha256() : known(file.identity());
        if (sha256 == null) {
            return null;
        }
        Path blob = blob(sha256);
        return Files.isRegularFile(blob) && (file.size() < 0 || Files.size(blob) == file.size()) ? sha256 : null;
    }

    private @Nullable String known(@Nullable String identity) throws IOException {
        if (identity == null) {
            return null;
        }
        Path file = knownFile(identity);
        if (!Files.isRegularFile(file)) {
            return null;
        }
        List<String> lines = Files.readAllLines(file);
        return lines.size() == 1 && lines.get(0).matches("[0-9a-f]{64}") ? lines.get(0) : null;
    }

    /** By a digest alone: an identity may be a url with a signature in it, and others read this folder. */
    private Path knownFile(String identity) {
        return root.resolve("known").resolve(Sha256.of(identity));
    }

    /**
     * The digest of {@code file}, whose bytes are here afterwards.
     *
     * @param surroundings asked whether to stop while another process fetches the same
     */
    String fetch(RemoteFile file, Surroundings surroundings, Fetch fetch) throws IOException {
        String there = find(file);
        if (there != null) {
            return there;
        }
        Path partial = root.resolve("partial");
        Files.createDirectories(partial);
        String name = file.identity() == null ? null : Sha256.of(file.identity());
        if (name == null) {
            return alone(file, partial, fetch);
        }
        Path lockFile = partial.resolve(name + ".lock");
        Path part = partial.resolve(name);
        try (FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            if (!lock(channel, file, part, surroundings)) {
                there = find(file);
                return there != null ? there : alone(file, partial, fetch);
            }
            there = find(file);
            if (there == null) {
                there = keep(file, part, fetch.into(part));
            }
            // Whoever waits for this lock finds the file.
            Files.deleteIfExists(lockFile);
            return there;
        }
    }

    /** Under a name that no other process has, and none goes on from. */
    private String alone(RemoteFile file, Path partial, Fetch fetch) throws IOException {
        deleteLeft(partial, name -> name.endsWith(ALONE));
        Path part = partial.resolve(UUID.randomUUID() + ALONE);
        try {
            return keep(file, part, fetch.into(part));
        } finally {
            Files.deleteIfExists(part);
        }
    }

    /** Whether this process is to fetch the file into its part; false where it is here by now, or another process hangs. */
    private boolean lock(FileChannel channel, RemoteFile file, Path part, Surroundings surroundings)
            throws IOException {
        long size = -1;
        long since = System.nanoTime();
        boolean told = false;
        while (true) {
            try {
                FileLock lock = channel.tryLock();
                if (lock != null) {
                    return true;
                }
            } catch (OverlappingFileLockException e) {
                LOG.debug("another thread has {}", part);
            } catch (ClosedByInterruptException e) {
                throw e;
            } catch (IOException e) {
                LOG.warn("{} can't be locked, so that two processes may fetch the same: {}", root, e.toString());
                return false;
            }
            if (find(file) != null) {
                return false;
            }
            if (!told) {
                LOG.info("another process fetches {}; this one waits for it", file.path());
                told = true;
            }
            long now = Files.exists(part) ? Files.size(part) : 0;
            if (now != size) {
                size = now;
                since = System.nanoTime();
            } else if (System.nanoTime() - since > STALLED_NANOS) {
                LOG.warn("another process began to fetch {} and stands still", file.path());
                return false;
            }
            surroundings.stopIfAsked("while it waited for a download");
            pause(POLL_MILLIS);
        }
    }

    private static void pause(long millis) {
        try {
            TimeUnit.MILLISECONDS.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("nobody waits for the file any more");
        }
    }

    private String keep(RemoteFile file, Path part, String sha256) throws IOException {
        Path blob = blob(sha256);
        Files.createDirectories(blob.getParent());
        Files.move(part, blob, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        String identity = file.identity();
        if (identity != null && !identity.equals(RemoteFile.ofSha256(sha256))) {
            writeKnown(identity, sha256);
        }
        return sha256;
    }

    private void writeKnown(String identity, String sha256) throws IOException {
        WholeFile.writeShared(knownFile(identity), temporary -> Files.writeString(temporary, sha256 + "\n"));
    }

    /**
     * A folder with files under their names.
     *
     * @param digests of the files, by their paths
     */
    Path tree(SortedMap<String, String> digests) throws IOException {
        Path tree = root.resolve("trees").resolve(digest(digests));
        if (Files.isDirectory(tree)) {
            return tree;
        }
        return whole(tree, temporary -> {
            for (Map.Entry<String, String> file : digests.entrySet()) {
                Path target = temporary.resolve(file.getKey()).normalize();
                if (!target.startsWith(temporary) || target.equals(temporary)) {
                    throw new IllegalArgumentException(file.getKey() + " leads out of its folder");
                }
                Files.createDirectories(target.getParent());
                link(target, blob(file.getValue()), tree.resolve(file.getKey()).resolveSibling(""));
            }
        });
    }

    /** sha256, hex, over the paths and digests of a folder's files. */
    static String digest(SortedMap<String, String> digests) {
        Sha256 all = new Sha256();
        digests.forEach((path, sha256) -> all.add(path + " " + sha256 + "\n"));
        return all.hex();
    }

    /** What the archive of a digest holds. */
    Path unpacked(String sha256, WholeFile.Content content) throws IOException {
        Path folder = root.resolve("unpacked").resolve(sha256);
        return Files.isDirectory(folder) ? folder : whole(folder, content);
    }

    private static Path whole(Path folder, WholeFile.Content content) throws IOException {
        Path temporary = folder.resolveSibling("." + folder.getFileName() + "." + UUID.randomUUID());
        Files.createDirectories(temporary);
        deleteLeft(folder.resolveSibling(""), name -> name.startsWith("."));
        try {
            content.writeTo(temporary);
            appear(temporary, folder);
        } finally {
            Folders.delete(temporary);
        }
        return folder;
    }

    /** What killed processes have left under their temporary names. */
    private static void deleteLeft(Path parent, Predicate<String> temporary) {
        try (Stream<Path> all = Files.list(parent)) {
            for (Path entry : all.filter(e -> temporary.test(String.valueOf(e.getFileName())))
                    .toList()) {
                if (isOlder(entry, LEFT)) {
                    LOG.info("{} was left by a process that was killed, and is deleted", entry);
                    Folders.delete(entry);
                }
            }
        } catch (IOException e) {
            LOG.debug("what was left in {} can't be deleted", parent, e);
        }
    }

    private static boolean isOlder(Path file, Duration age) throws IOException {
        return Files.exists(file)
                && Files.getLastModifiedTime(file)
                        .toInstant()
                        .isBefore(Instant.now().minus(age));
    }

    private static void appear(Path temporary, Path folder) throws IOException {
        try {
            Files.move(temporary, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            // No subclass tells that a folder is there: the system's own text does, in the words of each file system.
            if (!Files.isDirectory(folder)) {
                throw e;
            }
            LOG.debug("another process made {}", folder, e);
        }
    }

    /** A hard link, or a symbolic one where the file system has no others or the file is another user's. */
    private static void link(Path link, Path blob, Path folder) throws IOException {
        try {
            Files.createLink(link, blob);
        } catch (IOException | UnsupportedOperationException e) {
            if (!Files.exists(blob)) {
                throw e;
            }
            Files.createSymbolicLink(link, folder.relativize(blob));
        }
    }

    /** Forgets a folder and the files that it is made of, which are not what they were. */
    void forget(Path tree, Map<String, String> digests) throws IOException {
        Folders.delete(tree);
        for (String sha256 : digests.values()) {
            Files.deleteIfExists(blob(sha256));
        }
    }
}
