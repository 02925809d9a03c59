package training.lora.trainer.s3;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.s3.S3Client;

/**
 * S3Proxy, which keeps buckets in its memory. It is a process of its own, since it brings other versions of what the trainer
 * has; its class path is in target/s3proxy.classpath. One serves all tests of a JVM.
 */
public final class S3Server {
    /** Its only key. */
    public static final Map<String, String> KEYS =
            Map.of("AWS_ACCESS_KEY_ID", "a-key", "AWS_SECRET_ACCESS_KEY", "a-secret");

    /** Without long waits, and such that small files have parts and few objects pages; S3 has no smaller parts. */
    static final Portions QUICK = new Portions(Duration.ofMillis(5), 5 << 20, 3);

    private static final AtomicInteger BUCKETS = new AtomicInteger();

    private static @Nullable S3Server running;

    private final int port;
    private final Process process;

    private S3Server(int port, Process process) {
        this.port = port;
        this.process = process;
    }

    /** The server, started by the first who asks. */
    public static synchronized S3Server running() throws IOException {
        if (running == null) {
            running = start();
            Runtime.getRuntime().addShutdownHook(new Thread(running.process::destroyForcibly));
        }
        return running;
    }

    private static S3Server start() throws IOException {
        int port = freePort();
        Path folder = Files.createTempDirectory("s3proxy");
        Properties settings = new Properties();
        settings.putAll(Map.of(
                "s3proxy.endpoint", "http://127.0.0.1:" + port,
                "s3proxy.authorization", "aws-v4",
                "s3proxy.identity", "a-key",
                "s3proxy.credential", "a-secret",
                "jclouds.provider", "transient-nio2",
                "jclouds.identity", "local-identity",
                "jclouds.credential", "local-credential"));
        Path file = folder.resolve("s3proxy.properties");
        try (var out = Files.newBufferedWriter(file)) {
            settings.store(out, null);
        }
        Path logging = Files.writeString(
                folder.resolve("logback.xml"),
                "<configuration><appender name='OUT' class='ch.qos.logback.core.ConsoleAppender'><encoder><pattern>%msg%n</pattern></encoder></appender><root level='warn'><appender-ref ref='OUT'/></root></configuration>");
        Path log = folder.resolve("log");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx256m",
                        "-Dlogback.configurationFile=" + logging,
                        "-cp",
                        Files.readString(Path.of("target/s3proxy.classpath")).strip(),
                        "org.gaul.s3proxy.Main",
                        "--properties",
                        file.toString())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        for (int tries = 0; tries < 9000; tries++) {
            try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                return new S3Server(port, process);
            } catch (IOException e) {
                if (!process.isAlive()) {
                    break;
                }
                pause();
            }
        }
        process.destroyForcibly();
        throw new IllegalStateException("S3Proxy did not start: " + Files.readString(log));
    }

    private static void pause() throws IOException {
        try {
            TimeUnit.MILLISECONDS.sleep(20);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    /** Below those that the system gives away, so that tests in another process take none between this and the server's start. */
    private static int freePort() throws IOException {
        int first = 20_000 + (int) (ProcessHandle.current().pid() % 1000) * 10;
        for (int port = first; port < first + 10; port++) {
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (BindException e) {
                // Another's.
            }
        }
        throw new IOException("no port from " + first + " is free");
    }

    /** Where it listens. */
    public int port() {
        return port;
    }

    /** Its url. */
    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + port);
    }

    /** The environment of a process that uses it. */
    public static List<String> environment(URI endpoint) {
        List<String> all = new ArrayList<>();
        KEYS.forEach((name, value) -> all.add(name + "=" + value));
        all.add("AWS_REGION=us-east-1");
        all.add("AWS_ENDPOINT_URL=" + endpoint);
        return all;
    }

    /** The same as a function. */
    public static Function<String, @Nullable String> lookup(URI endpoint) {
        return name -> environment(endpoint).stream()
                .filter(variable -> variable.startsWith(name + "="))
                .map(variable -> variable.substring(name.length() + 1))
                .findAny()
                .orElse(null);
    }

    /** Makes a bucket that nobody else uses, and names it. */
    public String newBucket() throws IOException {
        String name = "bucket-" + BUCKETS.incrementAndGet();
        try (S3Client client = client()) {
            client.createBucket(request -> request.bucket(name));
        }
        return name;
    }

    /** A client for what the trainer doesn't do. */
    public S3Client client() {
        return S3Clients.open(S3Access.of("spec.output", "keys", KEYS, lookup(endpoint())), QUICK);
    }

    /** What lies below {@code uri}, as the trainer sees it. */
    public S3Prefix open(String uri) {
        return open(uri, endpoint());
    }

    /** The same through something before the server, such as a {@link FaultyLine}. */
    public static S3Prefix open(String uri, URI endpoint) {
        return S3Prefix.open(
                S3Location.parse("spec.output.uri", uri),
                S3Access.of("spec.output", "keys", KEYS, lookup(endpoint)),
                QUICK);
    }
}
