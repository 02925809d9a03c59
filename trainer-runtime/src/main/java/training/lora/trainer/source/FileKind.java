package training.lora.trainer.source;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

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

    /** What people give by mistake. */
    private static final Map<String, String> OTHERS = Map.ofEntries(
            Map.entry("7z\u00bc\u00af\u0027\u001c", "a 7z archive"),
            Map.entry("Rar!\u001a\u0007", "a RAR archive"),
            Map.entry("BZh", "a file by bzip2"),
            Map.entry("\u00fd7zXZ\0", "a file by xz"),
            Map.entry("\u0028\u00b5\u002f\u00fd", "a file by zstd"),
            Map.entry("GGUF", "a GGUF file"),
            Map.entry("PAR1", "a Parquet file"),
            Map.entry("%PDF-", "a PDF"),
            Map.entry("\u0089PNG\r\n", "a picture (PNG)"),
            Map.entry("\u00ff\u00d8\u00ff", "a picture (JPEG)"),
            Map.entry("GIF8", "a picture (GIF)"));

    /** So many bytes tell. */
    static final int BYTES = 1024;

    private static final int TAR_MAGIC = 257;

    /** A header of more isn't read by anybody. */
    private static final long LONGEST_HEADER = 100_000_000;

    /** What {@code file} is. */
    public static FileKind of(Path file) throws IOException {
        return of(start(file));
    }

    /** The bytes that tell. */
    static byte[] start(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(BYTES);
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

    /** What people call a file of a kind that is no source; null where nobody knows it. */
    @Nullable String label(byte[] start) {
        if (this == SafeTensors) {
            return "a .safetensors file, which holds weights";
        }
        if (this != Other) {
            return null;
        }
        String text = new String(start, StandardCharsets.ISO_8859_1);
        return OTHERS.entrySet().stream()
                .filter(other -> text.startsWith(other.getKey()))
                .map(Map.Entry::getValue)
                .findAny()
                .orElse(text.startsWith("WEBP", 8) ? "a picture (WebP)" : null);
    }

    /** Whether it holds other files. */
    public boolean archive() {
        return this == Zip || this == Tar || this == Gzip;
    }

    /**
     * Sees to it that it is nothing that nobody can mean.
     *
     * @param start its first bytes
     * @throws training.lora.trainer.TrainerException {@link Use#invalid} if it is
     */
    void refuse(Source source, String name, byte[] start) {
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
            default -> {
                boolean data = source.use() == Use.Dataset;
                String label = data || this == Other ? label(start) : null;
                if (label != null && !(data && label.startsWith("a picture"))) {
                    throw source.invalid(
                            data
                                    ? "must name a folder of pictures or an archive of them (.zip, .tar, .tar.gz), but %s is %s"
                                            .formatted(name, label)
                                    : "must name %s file, or a model's folder as an archive (.zip, .tar, .tar.gz), but %s is %s"
                                            .formatted(
                                                    source.use() == Use.Onnx ? "an .onnx" : "a .safetensors",
                                                    name,
                                                    label));
                }
            }
        }
    }
}
