package training.lora.e2e.cluster;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

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

    /** The pod that holds the Lease; empty where no pod does. */
    String leader() {
        var lease = cluster.client()
                .leases()
                .inNamespace(NAMESPACE)
                .withName(RELEASE)
                .get();
        String holder = lease == null ? null : lease.getSpec().getHolderIdentity();
        return holder == null ? "" : holder;
    }
}
