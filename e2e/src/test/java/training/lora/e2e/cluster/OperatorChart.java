package training.lora.e2e.cluster;

import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The chart's release in a cluster. */
final class OperatorChart {
    static final String NAMESPACE = "lora-system";
    static final String RELEASE = "lora-operator";
    private static final Path CHART = Scripts.HOME.resolve("charts/lora-operator");

    private static final Path VALUES = Scripts.HOME.resolve("e2e/src/test/resources/cluster-values.yaml");

    private final Kube cluster;

    OperatorChart(Kube cluster) {
        this.cluster = cluster;
    }

    /**
     * Installs or upgrades it, and waits until its Deployment is as it should be.
     *
     * @param more values as {@code NAME=VALUE}, beside those of all tests
     */
    void apply(String... more) {
        List<String> command = new ArrayList<>(
                List.of("upgrade", "--install", RELEASE, CHART.toString(), "--namespace", NAMESPACE, "--wait"));
        command.add("--timeout=5m");
        command.addAll(List.of("--values", VALUES.toString()));
        for (String value : more) {
            command.addAll(List.of("--set", value));
        }
        cluster.helm(command.toArray(String[]::new)).ok();
    }

    /** The operator's account, as authorization names it. */
    static String account() {
        return "system:serviceaccount:" + NAMESPACE + ":" + RELEASE;
    }

    /** The pod that holds the Lease, once one does: between two leaders nobody holds it. */
    String leader() {
        return cluster.client()
                .leases()
                .inNamespace(NAMESPACE)
                .withName(RELEASE)
                .waitUntilCondition(l -> l != null && holder(l) != null, 180, TimeUnit.SECONDS)
                .getSpec()
                .getHolderIdentity();
    }

    /** The certificate that the operator serves, as PEM in base64. */
    String certificate() {
        return Objects.requireNonNull(cluster.client()
                .secrets()
                .inNamespace(NAMESPACE)
                .withName(RELEASE + "-tls")
                .require()
                .getData()
                .get("tls.crt"));
    }

    /** Waits for the next certificate. */
    String awaitCertificateOtherThan(String present) {
        cluster.client()
                .secrets()
                .inNamespace(NAMESPACE)
                .withName(RELEASE + "-tls")
                .waitUntilCondition(
                        s -> s != null && !present.equals(s.getData().get("tls.crt")), 2, TimeUnit.MINUTES);
        return certificate();
    }

    /** Runs the chart's own tests. */
    String test() {
        return cluster.helm("test", RELEASE, "--namespace", NAMESPACE, "--timeout=2m")
                .ok();
    }

    private static @Nullable String holder(Lease lease) {
        String holder = lease.getSpec().getHolderIdentity();
        return holder == null || holder.isEmpty() ? null : holder;
    }
}
