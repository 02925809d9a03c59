package training.lora.e2e.cluster;

import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.Config;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Collectors;

/** The chart, without pods: its roles and settings, and the operator's account for processes beside the control plane. */
final class OperatorAccount {
    static final String NAMESPACE = "lora-system";
    static final String NAME = "lora-operator";
    static final String USER = "system:serviceaccount:" + NAMESPACE + ":" + NAME;

    private static final Path CHART = Scripts.HOME.resolve("charts/lora-operator");
    private static final long DAY = 24 * 3600;

    private OperatorAccount() {}

    /** Installs the chart where it is not, and returns a kubeconfig of the operator's account. */
    static Path install(Kube cluster) {
        Path kubeconfig = cluster.logs().resolve("operator.kubeconfig");
        if (Files.exists(kubeconfig)
                && cluster.client().namespaces().withName(NAMESPACE).get() != null) {
            return kubeconfig;
        }
        cluster.client()
                .resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(NAMESPACE)
                        .addToLabels("pod-security.kubernetes.io/enforce", "restricted")
                        .endMetadata()
                        .build())
                .create();
        cluster.helm(
                        "install",
                        NAME,
                        CHART.toString(),
                        "--namespace=" + NAMESPACE,
                        "--set=replicas=0,crds.install=false")
                .ok();
        String token = cluster.client()
                .serviceAccounts()
                .inNamespace(NAMESPACE)
                .withName(NAME)
                .tokenRequest(new TokenRequestBuilder()
                        .withNewSpec()
                        .withExpirationSeconds(DAY)
                        .endSpec()
                        .build())
                .getStatus()
                .getToken();
        Config admin = cluster.client().getConfiguration();
        try {
            return Files.writeString(
                    kubeconfig, """
                    apiVersion: v1
                    kind: Config
                    clusters: [{name: c, cluster: {server: "%s", certificate-authority-data: "%s"}}]
                    users: [{name: u, user: {token: "%s"}}]
                    contexts: [{name: x, context: {cluster: c, user: u, namespace: %s}}]
                    current-context: x
                    """.formatted(admin.getMasterUrl(), admin.getCaCertData(), token, NAMESPACE));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The chart's settings, for a process that listens at {@code port} of this machine alone. */
    static Path settings(Kube cluster, int port) {
        String chart = Objects.requireNonNull(cluster.client()
                .configMaps()
                .inNamespace(NAMESPACE)
                .withName(NAME)
                .require()
                .getData()
                .get("application.properties"));
        String ours = chart.lines()
                .filter(l -> !l.startsWith("lora.operator.url=") && !l.startsWith("quarkus.http.ssl-port="))
                .collect(Collectors.joining("\n"));
        try {
            return Files.writeString(
                    cluster.logs().resolve("operator-" + port + ".properties"),
                    ours + "\nlora.operator.url=https://127.0.0.1\nquarkus.http.host=127.0.0.1\nquarkus.http.ssl-port="
                            + port + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
