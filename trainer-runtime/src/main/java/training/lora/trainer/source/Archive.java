package training.lora.trainer.source;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.ZipException;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** A zip archive, unpacked with limits: nothing outside the target, no links, no bombs, no name twice. */
public final class Archive {
    static final int MAX_ENTRIES = 100_000;
    static final long MAX_BYTES = 20L << 30;
    static final long MAX_RATIO = 200;

    /** Small entries may be of any ratio: an empty picture compresses well. */
    private static final long RATIO_FROM = 1 << 20;

    private Archive() {}

    /** Unpacks {@code file} into {@code target}, which must be empty. */
    public static void unzip(Path file, Path target) throws IOException {
        try (ZipFile zip = ZipFile.builder().setPath(file).get()) {
            Enumeration<ZipArchiveEntry> entries = zip.getEntries();
            int count = 0;
            long total = 0;
            Set<Path> files = new HashSet<>();
            while (entries.hasMoreElements()) {
                ZipArchiveEntry entry = entries.nextElement();
                if (++count > MAX_ENTRIES) {
                    throw refused(file, "must have at most " + MAX_ENTRIES + " entries");
                }
                Path path = target.resolve(safe(file, entry)).normalize();
                if (!path.startsWith(target)) {
                    throw refused(file, "must stay in its folder, but has the entry " + entry.getName());
                }
                if (entry.isDirectory()) {
                    Files.createDirectories(path);
                    continue;
                }
                if (!files.add(path)) {
                    throw refused(file, "must have each entry once, but has " + entry.getName() + " twice");
                }
                Files.createDirectories(path.getParent());
                try (InputStream in = zip.getInputStream(entry);
                        OutputStream out = Files.newOutputStream(path)) {
                    total += copy(file, entry, in, out, MAX_BYTES - total);
                }
            }
        } catch (ZipException | EOFException e) {
            throw new TrainerException(
                    Reason.InvalidData, file + " must be a readable zip archive: " + e.getMessage(), e);
        }
    }

    private static String safe(Path file, ZipArchiveEntry entry) {
        String name = entry.getName();
        if (entry.isUnixSymlink()) {
            throw refused(file, "must hold no links, but has the link " + name);
        }
        if (name.startsWith("/") || name.contains("\\") || name.contains("\0") || name.matches("[A-Za-z]:.*")) {
            throw refused(file, "must have relative names, but has the entry " + name);
        }
        return name;
    }

    private static long copy(Path file, ZipArchiveEntry entry, InputStream in, OutputStream out, long left)
            throws IOException {
        byte[] buffer = new byte[1 << 16];
        long written = 0;
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            written += n;
            if (written > left) {
                throw refused(file, "must unpack to at most " + MAX_BYTES + " bytes, passed at " + entry.getName());
            }
            if (written > RATIO_FROM && written / Math.max(1, entry.getCompressedSize()) > MAX_RATIO) {
                throw refused(
                        file,
                        "must not be a bomb, but %s unpacks to over %d times its size"
                                .formatted(entry.getName(), MAX_RATIO));
            }
            out.write(buffer, 0, n);
        }
        return written;
    }

    private static TrainerException refused(Path file, String what) {
        return new TrainerException(Reason.InvalidData, file + " " + what);
    }
}
