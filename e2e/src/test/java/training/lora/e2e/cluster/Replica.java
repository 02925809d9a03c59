package training.lora.e2e.cluster;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.HttpsURLConnection;
import training.lora.api.CaFile;
import training.lora.local.OperatorProcess;

/** One of several operators that the chart configures, as a process. */
final class Replica implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(120);

    private final String name;
    private final Process process;
    private final Path log;
    private final URI url;
    private final Path authorities;

    private Replica(String name, Process process, Path log, URI url, Path authorities) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.url = url;
        this.authorities = authorities;
    }

    /** {@code more}: settings in the environment's form. */
    static Replica start(Kube cluster, String name, Map<String, String> more) throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        Path kubeconfig = OperatorAccount.install(cluster);
        Path log = cluster.logs().resolve("replica-" + name + ".log");
        ProcessBuilder builder = new ProcessBuilder(OperatorProcess.command(Scripts.HOME))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().keySet().removeIf(v -> v.startsWith("KUBERNETES_"));
        builder.environment().put("KUBECONFIG", kubeconfig.toString());
        builder.environment()
                .put(
                        "QUARKUS_CONFIG_LOCATIONS",
                        OperatorAccount.settings(cluster, port).toString());
        builder.environment().put("LORA_LEADER_ELECTION_IDENTITY", name);
        builder.environment().putAll(more);
        Path authorities = cluster.logs().resolve("ca-" + name + ".crt");
        return new Replica(name, builder.start(), log, URI.create("https://127.0.0.1:" + port), authorities);
    }

    URI url() {
        return url;
    }

    /** Whom to trust, as the ConfigMap said when it was asked last. */
    Path authorities() {
        return authorities;
    }

    String name() {
        return name;
    }

    Process process() {
        return process;
    }

    /** Waits until it is ready, as the chart's probes and trainers find it: by TLS, with what the ConfigMap says. */
    Replica awaitReady(Kube cluster) throws IOException, InterruptedException {
        long end = System.nanoTime() + START.toNanos();
        while (System.nanoTime() < end && process.isAlive()) {
            if (status(cluster) == 200) {
                return this;
            }
            Thread.sleep(100);
        }
        throw new AssertionError(name + " did not become ready:\n" + Files.readString(log));
    }

    private int status(Kube cluster) throws IOException {
        var told = cluster.client()
                .configMaps()
                .inNamespace(OperatorAccount.NAMESPACE)
                .withName(OperatorAccount.NAME + "-ca")
                .get();
        if (told == null) {
            return 0;
        }
        Files.writeString(authorities, told.getData().get("ca.crt"));
        try {
            HttpsURLConnection connection =
                    (HttpsURLConnection) url.resolve("/q/health/ready").toURL().openConnection();
            connection.setSSLSocketFactory(CaFile.context(authorities).getSocketFactory());
            connection.setReadTimeout(5000);
            return connection.getResponseCode();
        } catch (IOException e) {
            return 0;
        }
    }

    /** Asks it to end as a kubelet does; returns how long that took. */
    Duration terminate() throws InterruptedException {
        long begin = System.nanoTime();
        process.destroy();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError(name + " still runs 30 s after SIGTERM; its log is " + log);
        }
        return Duration.ofNanos(System.nanoTime() - begin);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
