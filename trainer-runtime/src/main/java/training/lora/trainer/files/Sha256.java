package training.lora.trainer.files;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** A sha256 that is fed bit by bit; every Java has it, so that nobody needs to expect otherwise. */
public final class Sha256 {
    private final MessageDigest digest;

    public Sha256() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Of a file's bytes, hex. */
    public static String of(Path file) throws IOException {
        Sha256 all = new Sha256();
        try (InputStream in = Files.newInputStream(file)) {
            byte[] buffer = new byte[1 << 16];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                all.digest.update(buffer, 0, n);
            }
        }
        return all.hex();
    }

    /** Of bytes, hex. */
    public static String of(byte[] bytes) {
        return new Sha256().add(ByteBuffer.wrap(bytes)).hex();
    }

    /** Of a text's UTF-8 bytes, hex. */
    public static String of(String text) {
        return new Sha256().add(text).hex();
    }

    /** Adds a text's UTF-8 bytes. */
    public Sha256 add(String text) {
        digest.update(text.getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /** Adds the bytes that are left in the buffer. */
    public Sha256 add(ByteBuffer bytes) {
        digest.update(bytes);
        return this;
    }

    /** The digest, 64 hex digits; ends the feeding. */
    public String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
