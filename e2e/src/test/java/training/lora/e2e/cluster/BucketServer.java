package training.lora.e2e.cluster;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** An S3 server on this machine, which pods reach; its objects are files. */
final class BucketServer implements AutoCloseable {
    /** This machine's address for pods, as e2e/cluster/README.md has it. */
    static final String HOST = "10.250.0.254";

    private static final String KEY = "test-key";
    private static final String SECRET = "test-secret-of-some-length";

    private final Path folder;
    private final Process process;
    private final String endpoint;

    /** @param dir of its own, for objects and its log */
    BucketServer(Path dir) throws IOException, InterruptedException {
        folder = Files.createDirectories(dir.resolve("buckets"));
        int port = freePort();
        endpoint = "http://" + HOST + ":" + port;
        process = new ProcessBuilder(
                        Scripts.home().resolve("bin/versitygw").toString(),
                        "--access",
                        KEY,
                        "--secret",
                        SECRET,
                        "--port",
                        HOST + ":" + port,
                        "posix",
                        folder.toString())
                .redirectErrorStream(true)
                .redirectOutput(dir.resolve("versitygw.log").toFile())
                .start();
        awaitAnswer();
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
            return socket.getLocalPort();
        }
    }

    private void awaitAnswer() throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
        while (!answers()) {
            if (!process.isAlive() || System.nanoTime() > end) {
                process.destroyForcibly();
                throw new AssertionError("versitygw does not answer at " + endpoint);
            }
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }

    private boolean answers() {
        try {
            HttpURLConnection connection =
                    (HttpURLConnection) URI.create(endpoint).toURL().openConnection();
            return connection.getResponseCode() > 0;
        } catch (IOException e) {
            return false;
        }
    }

    /** What a Secret must say to reach it. */
    Map<String, String> credentials() {
        return Map.of(
                "AWS_ACCESS_KEY_ID", KEY,
                "AWS_SECRET_ACCESS_KEY", SECRET,
                "AWS_REGION", "us-east-1",
                "AWS_ENDPOINT_URL", endpoint);
    }

    /** The folder with the bucket's objects; made, and so the bucket, where there is none. */
    Path bucket(String name) {
        try {
            return Files.createDirectories(folder.resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Puts each file of {@code from} below {@code prefix}. */
    void put(Path from, String bucket, String prefix) throws IOException {
        Path to = Files.createDirectories(bucket(bucket).resolve(prefix));
        try (var files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    /** The lines of its log. */
    List<String> log() throws IOException {
        return Files.readAllLines(folder.resolveSibling("versitygw.log"));
    }

    @Override
    public void close() {
        process.destroy();
    }
}
