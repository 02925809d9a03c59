package training.lora.trainer.files;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.text.Normalizer;

/**
 * Names of files as text, whatever the locale. In a POSIX locale, the default of many containers, Java turns the bytes of
 * a name that is not ASCII into question marks, and refuses such text as a path; only a path's URI keeps the bytes.
 */
public final class FileName {
    private FileName() {}

    /**
     * The last part of {@code path}, its bytes read as UTF-8. Composed (NFC), because macOS hands out the same name
     * decomposed, and a picture may meet its caption from another system.
     */
    public static String of(Path path) {
        String name = String.valueOf(path.getFileName());
        if (isAscii(name)) {
            return name;
        }
        String raw = path.toUri().getRawPath();
        int end = raw.endsWith("/") ? raw.length() - 1 : raw.length();
        return Normalizer.normalize(
                decoded(raw.substring(raw.lastIndexOf('/', end - 1) + 1, end)), Normalizer.Form.NFC);
    }

    /** The file or folder of that relative or absolute path, its text written as UTF-8. */
    public static Path resolve(Path folder, String path) {
        if (isAscii(path)) {
            return folder.resolve(path);
        }
        StringBuilder uri = new StringBuilder("file://");
        if (!path.startsWith("/")) {
            uri.append(folder.toUri().getRawPath());
            if (uri.charAt(uri.length() - 1) != '/') {
                uri.append('/');
            }
        }
        for (byte b : path.getBytes(StandardCharsets.UTF_8)) {
            boolean plain = b == '/' || (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
            uri.append(plain ? String.valueOf((char) b) : "%%%02X".formatted(b));
        }
        return Path.of(URI.create(uri.toString()));
    }

    private static boolean isAscii(String text) {
        return text.chars().allMatch(c -> c < 0x80);
    }

    private static String decoded(String raw) {
        byte[] bytes = new byte[raw.length()];
        int length = 0;
        for (int i = 0; i < raw.length(); i++) {
            char c = raw.charAt(i);
            if (c == '%') {
                bytes[length++] = (byte) Integer.parseInt(raw, i + 1, i + 3, 16);
                i += 2;
            } else {
                bytes[length++] = (byte) c;
            }
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }
}
