package training.lora.trainer.source;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/** What a zip archive holds. */
final class ZipEntries {
    /** What names are written in where nothing says so and they aren't UTF-8: that of the first PCs (APPNOTE, appendix D). */
    private static final Charset DOS = Charset.forName("IBM437");

    private ZipEntries() {}

    static void unpack(Archive archive) throws IOException {
        try (ZipFile zip = ZipFile.builder().setPath(archive.file()).get()) {
            List<ZipArchiveEntry> entries = Collections.list(zip.getEntries());
            for (ZipArchiveEntry entry : entries) {
                archive.announce(Archive.name(name(entry)), entry.getSize());
            }
            archive.requireSpace();
            for (ZipArchiveEntry entry : entries) {
                if (entry.isUnixSymlink()) {
                    throw archive.refused("must hold no links, but has the link " + Archive.name(name(entry)));
                }
                archive.unpack(name(entry), entry.isDirectory(), () -> zip.getInputStream(entry));
            }
        }
    }

    private static String name(ZipArchiveEntry entry) {
        return entry.getNameSource() == ZipArchiveEntry.NameSource.NAME ? decoded(entry) : entry.getName();
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
}
