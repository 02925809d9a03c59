package training.lora.trainer.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** What a file is, by its first bytes. */
public enum FileKind {
    SafeTensors,
    Zip,
    Tar,
    Gzip,
    Html,
    LfsPointer,
    Pickle,
    Other;

    /** So many bytes tell. */
    static final int BYTES = 1024;

    private static final int TAR_MAGIC = 257;

    /** A header of more isn't read by anybody. */
    private static final long LONGEST_HEADER = 100_000_000;

    /** What {@code file} is. */
    public static FileKind of(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return of(in.readNBytes(BYTES));
        }
    }

    static FileKind of(byte[] start) {
        String text = new String(start, StandardCharsets.ISO_8859_1);
        String words =
                text.replaceFirst("^\u00ef\u00bb\u00bf", "").stripLeading().toLowerCase(Locale.ROOT);
        if (text.startsWith("PK\u0003\u0004") || text.startsWith("PK\u0005\u0006")) {
            // torch.save's zip: a folder with data.pkl as its first entry.
            return text.contains("/data.pkl") ? Pickle : Zip;
        }
        if (text.startsWith("\u001f\u008b")) {
            return Gzip;
        }
        if (text.length() > TAR_MAGIC + 5 && text.startsWith("ustar", TAR_MAGIC)) {
            return Tar;
        }
        if (words.startsWith("<!doctype html") || words.startsWith("<html") || words.startsWith("<head")) {
            return Html;
        }
        if (text.startsWith("version https://git-lfs.github.com/spec/")) {
            return LfsPointer;
        }
        if (text.startsWith("\u0080") && text.length() > 1 && text.charAt(1) >= 2 && text.charAt(1) <= 5) {
            return Pickle;
        }
        if (start.length > Long.BYTES && start[Long.BYTES] == '{') {
            long header = ByteBuffer.wrap(start).order(ByteOrder.LITTLE_ENDIAN).getLong();
            return header > 0 && header <= LONGEST_HEADER ? SafeTensors : Other;
        }
        return Other;
    }

    /** Whether it holds other files. */
    public boolean archive() {
        return this == Zip || this == Tar || this == Gzip;
    }

    /**
     * Sees to it that it is nothing that nobody can mean.
     *
     * @throws training.lora.trainer.TrainerException {@link Use#invalid} if it is
     */
    void refuse(Source source, String name) {
        switch (this) {
            case Html ->
                throw source.invalid(
                        "must name the file itself, but %s is a web page (HTML): take the link of its download, and give a token where that needs one"
                                .formatted(name));
            case LfsPointer ->
                throw source.invalid(
                        "must name the file itself, but %s is a pointer of Git LFS: take the link of its download"
                                .formatted(name));
            case Pickle ->
                throw source.invalid(
                        "must name a .safetensors file or an archive, but %s is a pickle, which can run code and is never opened"
                                .formatted(name));
            default -> {}
        }
    }
}
