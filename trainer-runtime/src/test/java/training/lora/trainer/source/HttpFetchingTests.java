package training.lora.trainer.source;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.files.Sha256;

/** Files that a server on loopback gives, or doesn't. */
abstract class HttpFetchingTests {
    static final String ETAG = "\"one\"";

    @TempDir
    Path folder;

    final byte[] body = safetensors(300_000, 1);

    TestServer server;

    Fetching fetching;

    @BeforeEach
    void start() throws IOException {
        server = new TestServer();
        fetching = new Fetching(folder);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    /** Bytes that begin as a safetensors file does. */
    static byte[] safetensors(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        byte[] header = "{\"__metadata__\":{}}     ".getBytes(StandardCharsets.US_ASCII);
        ByteBuffer.wrap(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header);
        return bytes;
    }

    static String sha256(byte[] bytes) {
        return new Sha256().add(ByteBuffer.wrap(bytes)).hex();
    }

    Source model(String url) {
        return model(url, null, null);
    }

    static Source model(String url, @Nullable String sha256, @Nullable String secret) {
        return new Source("spec.baseModel.uri", url, Use.BaseModel, sha256, secret);
    }

    void secret(String name, String key, String value) throws IOException {
        Path file = folder.resolve("secrets").resolve(name).resolve(key);
        Files.createDirectories(file.getParent());
        Files.writeString(file, value + "\n");
        fetching.with("LORA_SECRETS", folder.resolve("secrets").toString());
    }

    static String bytes(Path file) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
