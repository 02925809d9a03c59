package training.lora.trainer.source;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.zip.ZipException;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** A zip archive, unpacked with limits: nothing outside the target, no links, no name twice, no more than fits. */
public final class Archive {
    /** What names are written in where nothing says so and they aren't UTF-8: that of the first PCs (APPNOTE, appendix D). */
    private static final Charset DOS = Charset.forName("IBM437");

    /** What the system says of names that are wrong, and not of a disk that is. */
    private static final Set<String> UNSTORABLE = Set.of("File name too long", "Is a directory", "Not a directory");

    private static final Limits LIMITS = new Limits(100_000, 20L << 30);

    private final Path file;
    private final Path target;
    private final Limits limits;
    private final Set<Path> files = new HashSet<>();
    private long left;

    /**
     * What an archive may unpack to in all. There is no limit to the ratio of one entry, since a flat picture that was
     * not compressed shrinks to a thousandth.
     */
    record Limits(int entries, long bytes) {}

    private Archive(Path file, Path target, Limits limits) {
        this.file = file;
        this.target = target;
        this.limits = limits;
        this.left = limits.bytes();
    }

    /**
     * Unpacks {@code file} into {@code target}, which must be empty.
     *
     * @throws TrainerException InvalidData if it is no zip archive or holds what it must not; StorageFull if it says that
     *     it holds more than there is space for
     */
    public static void unzip(Path file, Path target) throws IOException {
        unzip(file, target, LIMITS);
    }

    static void unzip(Path file, Path target, Limits limits) throws IOException {
        new Archive(file, target, limits).unzip();
    }

    private void unzip() throws IOException {
        try (ZipFile zip = ZipFile.builder().setPath(file).get()) {
            List<ZipArchiveEntry> entries = Collections.list(zip.getEntries());
            requireWithinLimits(entries);
            for (ZipArchiveEntry entry : entries) {
                unpack(zip, entry);
            }
        } catch (ZipException | EOFException e) {
            throw new TrainerException(
                    Reason.InvalidData, file + " must be a readable zip archive: " + e.getMessage(), e);
        }
    }

    /** By what the archive says of itself; what it doesn't say is counted while it is unpacked. */
    private void requireWithinLimits(List<ZipArchiveEntry> entries) throws IOException {
        if (entries.size() > limits.entries()) {
            throw refused("must have at most %d entries, but has %d".formatted(limits.entries(), entries.size()));
        }
        long bytes = 0;
        for (ZipArchiveEntry entry : entries) {
            long size = Math.max(0, entry.getSize());
            if (size > limits.bytes() - bytes) {
                throw tooLarge(name(entry));
            }
            bytes += size;
        }
        long space = Files.getFileStore(target).getUsableSpace();
        if (bytes > space) {
            throw new TrainerException(
                    Reason.StorageFull,
                    "%s unpacks to %d bytes, but %s has space for %d".formatted(file, bytes, target, space));
        }
    }

    private void unpack(ZipFile zip, ZipArchiveEntry entry) throws IOException {
        String name = name(entry);
        Path path = place(entry, name);
        try {
            if (name.endsWith("/")) {
                Files.createDirectories(path);
                return;
            }
            if (path.equals(target) || !files.add(path)) {
                throw refused("must have each entry once, but has " + name + " twice");
            }
            Files.createDirectories(path.getParent());
            try (InputStream in = zip.getInputStream(entry);
                    OutputStream out = Files.newOutputStream(path)) {
                copy(name, in, out);
            }
        } catch (FileAlreadyExistsException e) {
            throw refused("must have each entry once, but has " + name + " below a file");
        } catch (FileSystemException e) {
            if (!UNSTORABLE.contains(String.valueOf(e.getReason()))) {
                throw e;
            }
            throw new TrainerException(
                    Reason.InvalidData,
                    "%s must hold names that can be stored, but has the entry %s: %s"
                            .formatted(file, name, e.getReason()),
                    e);
        }
    }

    /** As the entry says, with slashes: Windows writes backslashes, which no archive has in names of pictures. */
    private static String name(ZipArchiveEntry entry) {
        String name = entry.getNameSource() == ZipArchiveEntry.NameSource.NAME ? decoded(entry) : entry.getName();
        return name.replace('\\', '/');
    }

    private static String decoded(ZipArchiveEntry entry) {
        byte[] raw = entry.getRawName();
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(raw))
                    .toString();
        } catch (CharacterCodingException e) {
            return new String(raw, DOS);
        }
    }

    private Path place(ZipArchiveEntry entry, String name) {
        if (entry.isUnixSymlink()) {
            throw refused("must hold no links, but has the link " + name);
        }
        if (name.startsWith("/") || name.contains("\0") || name.matches("(?s)[A-Za-z]:.*")) {
            throw refused("must have relative names, but has the entry " + name);
        }
        Path path = target.resolve(name).normalize();
        if (!path.startsWith(target)) {
            throw refused("must stay in its folder, but has the entry " + name);
        }
        return path;
    }

    private void copy(String name, InputStream in, OutputStream out) throws IOException {
        byte[] buffer = new byte[1 << 16];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            left -= n;
            if (left < 0) {
                throw tooLarge(name);
            }
            out.write(buffer, 0, n);
        }
    }

    private TrainerException tooLarge(String name) {
        return refused("must unpack to at most %d bytes, passed at %s".formatted(limits.bytes(), name));
    }

    private TrainerException refused(String what) {
        return new TrainerException(Reason.InvalidData, file + " " + what);
    }
}
