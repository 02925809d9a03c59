package training.lora.trainer.source;

import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream;

/** What a tar archive holds, entry by entry: it has no list of them. */
final class TarEntries {
    private TarEntries() {}

    static void unpack(Archive archive, boolean gzipped) throws IOException {
        try (InputStream file = new BufferedInputStream(Files.newInputStream(archive.file()), 1 << 16);
                InputStream plain = gzipped
                        ? GzipCompressorInputStream.builder()
                                .setInputStream(file)
                                .setDecompressConcatenated(true)
                                .get()
                        : file;
                TarArchiveInputStream tar = new TarArchiveInputStream(plain, StandardCharsets.UTF_8.name())) {
            boolean any = false;
            for (TarArchiveEntry entry = next(archive, tar, gzipped);
                    entry != null;
                    entry = next(archive, tar, gzipped)) {
                any = true;
                String name = Archive.name(entry.getName());
                if (entry.isSymbolicLink() || entry.isLink()) {
                    throw archive.refused("must hold no links, but has the link " + name);
                }
                if (entry.isCharacterDevice() || entry.isBlockDevice() || entry.isFIFO()) {
                    throw archive.refused("must hold files and folders alone, but has " + name);
                }
                archive.announce(name, entry.isDirectory() ? 0 : entry.getSize());
                archive.requireSpace();
                archive.unpack(name, entry.isDirectory(), () -> new Entry(archive, tar, gzipped));
            }
            if (!any) {
                throw archive.refused("must hold files, but is empty");
            }
        }
    }

    private static TarArchiveEntry next(Archive archive, TarArchiveInputStream tar, boolean gzipped)
            throws IOException {
        try {
            return tar.getNextEntry();
        } catch (FileSystemException e) {
            throw e;
        } catch (IOException | IllegalArgumentException e) {
            throw Archive.unreadable(
                    archive.file(),
                    gzipped ? FileKind.Gzip : FileKind.Tar,
                    e instanceof IOException io ? io : new IOException(e));
        }
    }

    /** The bytes of the entry that the archive is at, which has no end of its own to close. */
    private static final class Entry extends FilterInputStream {
        private final Archive archive;
        private final boolean gzipped;

        Entry(Archive archive, TarArchiveInputStream tar, boolean gzipped) {
            super(tar);
            this.archive = archive;
            this.gzipped = gzipped;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            try {
                return super.read(bytes, offset, length);
            } catch (FileSystemException e) {
                throw e;
            } catch (IOException e) {
                throw Archive.unreadable(archive.file(), gzipped ? FileKind.Gzip : FileKind.Tar, e);
            }
        }

        @Override
        public void close() {
            // The archive goes on.
        }
    }
}
