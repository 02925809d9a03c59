package training.lora.local.demo;

import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.local.LocalCluster;
import training.lora.local.OperatorProcess;
import training.lora.local.kubelet.Image;

/** An embedded cluster with the CRD and the operator installed; it ends with this JVM, however that ends. */
final class Installation {
    private final LocalCluster cluster;
    private final Runnable atEnd;
    private @Nullable OperatorProcess operator;
    private boolean ending;

    private Installation(LocalCluster cluster, Runnable atEnd) {
        this.cluster = cluster;
        this.atEnd = atEnd;
    }

    /**
     * Starts in {@code dir}, where {@code operator.log} and {@code cluster.log} are written too.
     *
     * @param atEnd what is left to do when all processes have ended
     */
    static Installation start(Checkout checkout, Path dir, Runnable atEnd) throws IOException, InterruptedException {
        Files.createDirectories(dir);
        // Read when the first logger is made, which is in the next line's class.
        System.setProperty(
                "org.slf4j.simpleLogger.logFile", dir.resolve("cluster.log").toString());
        LocalCluster cluster = LocalCluster.start(
                dir, Map.of("lora-trainer", Image.of(checkout.trainer().toString())));
        Installation installation = new Installation(cluster, atEnd);
        Runtime.getRuntime().addShutdownHook(new Thread(installation::end));
        installation.install(checkout, dir);
        return installation;
    }

    private void install(Checkout checkout, Path dir) throws IOException, InterruptedException {
        cluster.installCrd();
        OperatorProcess started;
        synchronized (this) {
            if (ending) {
                return;
            }
            started = OperatorProcess.start(checkout.home(), kubeconfig(), dir.resolve("operator.log"));
            operator = started;
        }
        started.awaitReady();
    }

    KubernetesClient client() {
        return cluster.client();
    }

    Path kubeconfig() {
        return cluster.kubeconfig();
    }

    private synchronized void end() {
        ending = true;
        // The operator first, or it would start again what ends now.
        if (operator != null) {
            operator.close();
        }
        cluster.close();
        atEnd.run();
    }
}
