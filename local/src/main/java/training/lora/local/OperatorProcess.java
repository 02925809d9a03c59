package training.lora.local;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The operator as the program that it is. */
public final class OperatorProcess implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(90);
    private static final int END_SECONDS = 10;
    private static final int LAST_LINES = 20;

    private final Process process;
    private final Path log;
    private final URI health;

    private OperatorProcess(Process process, Path log, URI health) {
        this.process = process;
        this.log = log;
        this.health = health;
    }

    /**
     * Starts it, on a port that is free.
     *
     * @param home the project's folder, in which it is built
     * @param kubeconfig its way to the API server
     * @param log where its output is appended
     */
    public static OperatorProcess start(Path home, Path kubeconfig, Path log) throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByAddress(new byte[] {127, 0, 0, 1}))) {
            port = free.getLocalPort();
        }
        String url = "http://127.0.0.1:" + port;
        ProcessBuilder builder = new ProcessBuilder(command(home))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        Map<String, String> environment = builder.environment();
        environment.keySet().removeIf(name -> name.startsWith("KUBERNETES_"));
        environment.put("KUBECONFIG", kubeconfig.toString());
        environment.put("QUARKUS_HTTP_HOST", "127.0.0.1");
        environment.put("QUARKUS_HTTP_PORT", Integer.toString(port));
        environment.put("LORA_OPERATOR_URL", url);
        withoutDefaultResources(environment);
        return new OperatorProcess(builder.start(), log, URI.create(url + "/q/health/ready"));
    }

    /**
     * Java with the operator that is built in {@code home}, set up as in its image.
     *
     * @param home the project's folder
     */
    public static List<String> command(Path home) {
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + home.resolve("bin/operator.args"),
                "-jar",
                home.resolve("operator/target/quarkus-app/quarkus-run.jar").toString());
    }

    /** Defaults for a cluster's nodes may be more than this machine has; a pod that asks for nothing gets all of it. */
    private static void withoutDefaultResources(Map<String, String> environment) {
        for (String stage : List.of("PREPARE", "TRAIN", "EVALUATE")) {
            for (String bound : List.of("REQUESTS", "LIMITS")) {
                for (String name : List.of("CPU", "MEMORY", "EPHEMERAL_STORAGE")) {
                    environment.put("LORA_DEFAULTS_STAGES_%s_%s_%s".formatted(stage, bound, name), "");
                }
            }
        }
    }

    /**
     * Waits until it is ready.
     *
     * @throws IOException with its last words if it has ended or takes too long
     */
    public void awaitReady() throws IOException, InterruptedException {
        HttpClient http =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request =
                HttpRequest.newBuilder(health).timeout(Duration.ofSeconds(5)).build();
        long end = System.nanoTime() + START.toNanos();
        while (System.nanoTime() < end && process.isAlive()) {
            try {
                if (http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode() == 200) {
                    return;
                }
            } catch (IOException e) {
                // It does not listen yet.
            }
            Thread.sleep(100);
        }
        List<String> lines = Files.readAllLines(log);
        throw new IOException("the operator did not become ready within " + START.toSeconds() + " s; its last words:\n"
                + String.join("\n", lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size())));
    }

    /** Kills it as SIGKILL does, in the middle of whatever it is at. */
    public void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** Asks it to end, and kills it if it does not. */
    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
