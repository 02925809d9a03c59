package training.lora.trainer.tensor;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What stands in a file that should be a safetensors file and isn't, by its first bytes. */
final class OtherContent {
    private static final int START = 512;

    /** Characters of a text that are shown. */
    private static final int SHOWN = 80;

    private static final int MAX_PICKLE_PROTOCOL = 5;

    private record Magic(String what, int... bytes) {}

    private static final List<Magic> MAGIC = List.of(
            new Magic("is a GGUF file", 'G', 'G', 'U', 'F'),
            new Magic("is a gzip archive", 0x1f, 0x8b),
            new Magic("is a zstd archive", 0x28, 0xb5, 0x2f, 0xfd),
            new Magic("is a 7z archive", '7', 'z', 0xbc, 0xaf),
            new Magic("is a rar archive", 'R', 'a', 'r', '!'),
            new Magic("is an HDF5 file", 0x89, 'H', 'D', 'F'),
            new Magic("is a PNG picture", 0x89, 'P', 'N', 'G'),
            new Magic("is a JPEG picture", 0xff, 0xd8, 0xff),
            new Magic("begins with zeros, as a download that was broken off", 0, 0, 0, 0, 0, 0, 0, 0));

    private final byte[] start;

    private OtherContent(byte[] start) {
        this.start = start;
    }

    static OtherContent of(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(START);
        while (bytes.hasRemaining() && channel.read(bytes, bytes.position()) >= 0) {}
        byte[] start = new byte[bytes.position()];
        bytes.flip().get(start);
        return new OtherContent(start);
    }

    /** Whether torch.save wrote it, today (a zip with a pickle in it) or before. */
    boolean pickled() {
        boolean pickle =
                start.length > 1 && start[0] == (byte) 0x80 && start[1] >= 0 && start[1] <= MAX_PICKLE_PROTOCOL;
        return pickle || zip() && new String(start, StandardCharsets.ISO_8859_1).contains("/data.pkl");
    }

    private boolean zip() {
        return begins('P', 'K');
    }

    /** For a sentence about the file; null if its first bytes say nothing. */
    @Nullable String what() {
        if (start.length == 0) {
            return "is empty";
        }
        if (zip()) {
            return "is a zip archive";
        }
        for (Magic magic : MAGIC) {
            if (begins(magic.bytes())) {
                return magic.what();
            }
        }
        String text = text();
        return text == null ? null : ofText(text);
    }

    private static String ofText(String text) {
        String lower = text.toLowerCase(Locale.ROOT);
        if (lower.startsWith("version https://git-lfs")) {
            return "is a Git LFS pointer, which stands for a file that was not downloaded: `git lfs pull` fetches it";
        }
        if (lower.startsWith("<")) {
            return "is " + (lower.contains("<html") || lower.startsWith("<!doctype html") ? "an HTML page" : "XML")
                    + ", as a server answers in a file's place";
        }
        String line = text.lines().findFirst().orElse("");
        String shown = line.length() <= SHOWN ? line : line.substring(0, SHOWN) + "…";
        boolean json = lower.startsWith("{") || lower.startsWith("[");
        return "is %s, as a server answers in a file's place: %s".formatted(json ? "JSON" : "text", shown);
    }

    private boolean begins(int... bytes) {
        if (start.length < bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if ((start[i] & 0xff) != bytes[i]) {
                return false;
            }
        }
        return true;
    }

    /** The first bytes as text, without mark and blank space before it; null if they are none. */
    private @Nullable String text() {
        for (byte b : start) {
            if (b >= 0 && b < ' ' && b != '\n' && b != '\r' && b != '\t' && b != '\f') {
                return null;
            }
        }
        String text = new String(start, StandardCharsets.UTF_8);
        // The last character may be cut.
        String whole = text.substring(0, Math.max(0, text.length() - 1));
        if (whole.contains("\ufffd")) {
            text = new String(start, StandardCharsets.ISO_8859_1);
            // A server's answer in another encoding begins with ASCII all the same; anything else may be numbers.
            if (!text.stripLeading().matches("(?is)(<[!a-z?]|\\{\\s*\").*")) {
                return null;
            }
        }
        String stripped = text.replace("\ufeff", "").strip();
        return stripped.isEmpty() ? null : stripped;
    }
}
