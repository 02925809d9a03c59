package training.lora.trainer.source;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.Amounts;
import training.lora.trainer.TrainerException;

/**
 * An archive, unpacked with limits: nothing outside the target, no links, no name twice, no more than fits. Its content says
 * which kind it is: zip, tar, or tar by gzip.
 */
public final class Archive {
    /** What the system says of names that are wrong, and not of a disk that is. */
    private static final Set<String> UNSTORABLE = Set.of("File name too long", "Is a directory", "Not a directory");

    private static final Limits LIMITS = new Limits(100_000, 20L << 30);

    /** Models are larger than pictures, and come as few files. */
    static final Limits MODEL_LIMITS = new Limits(10_000, 100L << 30);

    private final Path file;
    private final Path target;
    private final Limits limits;
    private final BooleanSupplier stopping;
    private final Set<Path> files = new HashSet<>();
    private int entries;
    private long told;
    private long left;

    /**
     * What an archive may unpack to in all. There is no limit to the ratio of one entry, since a flat picture that was
     * not compressed shrinks to a thousandth.
     */
    record Limits(int entries, long bytes) {}

    /** Opens the bytes of an entry. */
    interface Content {
        InputStream open() throws IOException;
    }

    private Archive(Path file, Path target, Limits limits, BooleanSupplier stopping) {
        this.file = file;
        this.target = target;
        this.limits = limits;
        this.stopping = stopping;
        this.left = limits.bytes();
    }

    /**
     * Unpacks {@code file} into {@code target}, which must be empty.
     *
     * @param stopping whether the process was asked to end
     * @throws TrainerException InvalidData if it is no archive or holds what it must not; StorageFull if it says that it
     *     holds more than there is space for
     */
    public static void unpack(Path file, Path target, BooleanSupplier stopping) throws IOException {
        unpack(file, target, LIMITS, stopping);
    }

    static void unpack(Path file, Path target, Limits limits, BooleanSupplier stopping) throws IOException {
        byte[] start = FileKind.start(file);
        FileKind kind = FileKind.of(start);
        Archive archive = new Archive(file, target, limits, stopping);
        try {
            switch (kind) {
                case Tar, Gzip -> TarEntries.unpack(archive, kind == FileKind.Gzip);
                default -> ZipEntries.unpack(archive);
            }
        } catch (ZipException | EOFException e) {
            throw kind.archive() ? unreadable(file, kind, e) : none(file, kind.label(start));
        }
    }

    /** A zip may begin with anything, so that its end had to be looked at first. */
    private static TrainerException none(Path file, @Nullable String label) {
        return new TrainerException(
                Reason.InvalidData,
                "%s must be an archive (.zip, .tar, .tar.gz), but %s"
                        .formatted(file, label == null ? "its content is none of these" : "is " + label));
    }

    static TrainerException unreadable(Path file, FileKind kind, IOException e) {
        String what = kind == FileKind.Tar || kind == FileKind.Gzip ? "tar" : "zip";
        return new TrainerException(
                Reason.InvalidData, "%s must be a readable %s archive: %s".formatted(file, what, e.getMessage()), e);
    }

    Path file() {
        return file;
    }

    /**
     * Sees to it that an entry fits, by what the archive says of it; what it doesn't say is counted while it is unpacked.
     *
     * @param size its bytes; negative if the archive doesn't say
     */
    void announce(String name, long size) throws IOException {
        entries++;
        if (entries > limits.entries()) {
            throw refused("must have at most %d entries, but has more".formatted(limits.entries()));
        }
        if (size > limits.bytes() - told) {
            throw tooLarge(name);
        }
        told += Math.max(0, size);
    }

    /** Sees to it that there is space for what was announced and is not unpacked. */
    void requireSpace() throws IOException {
        long needed = told - (limits.bytes() - left);
        long space = Files.getFileStore(target).getUsableSpace();
        if (needed > space) {
            throw new TrainerException(
                    Reason.StorageFull,
                    "%s unpacks to %s more, but %s has space for %s"
                            .formatted(file, Amounts.bytes(needed), target, Amounts.bytes(space)));
        }
    }

    /** @param raw as the archive says; Windows writes backslashes, which no archive has in names of pictures */
    void unpack(String raw, boolean folder, Content content) throws IOException {
        String name = name(raw);
        Path path = place(name);
        try {
            if (folder || name.endsWith("/")) {
                Files.createDirectories(path);
                return;
            }
            if (path.equals(target) || !files.add(path)) {
                throw refused("must have each entry once, but has " + name + " twice");
            }
            Files.createDirectories(path.getParent());
            try (InputStream in = content.open();
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

    static String name(String raw) {
        return raw.replace('\\', '/');
    }

    private Path place(String name) {
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
            if (stopping.getAsBoolean()) {
                throw new TrainerException(
                        Reason.Preempted,
                        "the run was asked to stop while it unpacked %s; the same command unpacks it anew"
                                .formatted(file));
            }
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

    /** That it holds what it must not. */
    TrainerException refused(String what) {
        return new TrainerException(Reason.InvalidData, file + " " + what);
    }
}
