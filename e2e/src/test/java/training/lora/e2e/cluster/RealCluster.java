package training.lora.e2e.cluster;

import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import training.lora.local.OperatorProcess;

/**
 * A control plane without nodes, which needs no root: API server, controllers and scheduler are real, and pods are moved
 * along by tests. The operator is a process beside it, with the account that its chart gives it.
 */
final class RealCluster extends Kube {
    private static final Path CRD =
            Scripts.HOME.resolve("crds/src/main/resources/META-INF/fabric8/loratrainings.lora.training-v1.yml");

    private @Nullable OperatorProcess operator;

    private RealCluster(Scripts scripts) {
        super(scripts, "api");
    }

    static RealCluster start() {
        RealCluster cluster = new RealCluster(Scripts.ofCheckout("api", 0));
        cluster.up();
        cluster.install();
        return cluster;
    }

    private void install() {
        kubectl("apply", "--server-side", "-f", CRD.toString()).ok();
        // Not by `kubectl wait`: it gives up on a definition that the server has not given any conditions yet.
        client().apiextensions()
                .v1()
                .customResourceDefinitions()
                .withName("loratrainings.lora.training")
                .waitUntilCondition(RealCluster::established, 180, TimeUnit.SECONDS);
    }

    /** At first the definition has no status, then one whose conditions are null. */
    private static boolean established(@Nullable CustomResourceDefinition crd) {
        return crd != null
                && crd.getStatus() != null
                && crd.getStatus().getConditions() != null
                && crd.getStatus().getConditions().stream()
                        .anyMatch(c -> c.getType().equals("Established") && "True".equals(c.getStatus()));
    }

    /** Starts the operator if it does not run. */
    synchronized OperatorProcess operator() throws InterruptedException {
        try {
            if (operator == null) {
                OperatorProcess started = OperatorProcess.start(
                        Scripts.HOME, OperatorAccount.install(this), logs().resolve("operator.log"));
                started.awaitReady();
                operator = started;
            }
            return operator;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Asks the operator to end and waits for it, for tests without one or with another. */
    synchronized void stopOperator() {
        if (operator != null) {
            operator.close();
            operator = null;
        }
    }

    /** Kills the operator in the middle of whatever it is at. */
    synchronized void killOperator() throws InterruptedException {
        if (operator != null) {
            operator.kill();
            operator = null;
        }
    }

    /** Waits for the pod of a Job that has not ended. */
    Pod pod(String namespace, String job) {
        return client()
                .pods()
                .inNamespace(namespace)
                .withLabel("job-name", job)
                .informOnCondition(pods -> pods.stream().anyMatch(p -> !ended(p)))
                .orTimeout(180, TimeUnit.SECONDS)
                .join()
                .stream()
                .filter(p -> !ended(p))
                .findFirst()
                .orElseThrow();
    }

    private static boolean ended(Pod pod) {
        return pod.getMetadata().getDeletionTimestamp() != null
                || Set.of("Succeeded", "Failed").contains(pod.getStatus().getPhase());
    }

    /** Says that the pod's container runs, as a kubelet does. */
    void run(Pod pod) {
        status(
                pod,
                "Running",
                new ContainerStateBuilder()
                        .withNewRunning()
                        .withStartedAt(now())
                        .endRunning()
                        .build(),
                true);
    }

    /**
     * Says that the pod's container ended, as a kubelet does.
     *
     * @param message what it left as its termination message
     */
    void end(Pod pod, int exitCode, String message) {
        ContainerState state = new ContainerStateBuilder()
                .withNewTerminated()
                .withExitCode(exitCode)
                .withReason(exitCode == 0 ? "Completed" : exitCode == 137 ? "OOMKilled" : "Error")
                .withMessage(message)
                .withStartedAt(now())
                .withFinishedAt(now())
                .endTerminated()
                .build();
        status(pod, exitCode == 0 ? "Succeeded" : "Failed", state, false);
    }

    private void status(Pod pod, String phase, ContainerState state, boolean ready) {
        String condition = ready ? "True" : "False";
        var container = pod.getSpec().getContainers().get(0);
        Kube.edit(() -> client().pods()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(pod.getMetadata().getName())
                .editStatus(p -> new PodBuilder(p)
                        .editStatus()
                        .withPhase(phase)
                        .withStartTime(now())
                        .addToConditions(
                                new PodConditionBuilder()
                                        .withType("Ready")
                                        .withStatus(condition)
                                        .build(),
                                new PodConditionBuilder()
                                        .withType("ContainersReady")
                                        .withStatus(condition)
                                        .build())
                        .withContainerStatuses(new ContainerStatusBuilder()
                                .withName(container.getName())
                                .withImage(container.getImage())
                                .withImageID(container.getImage())
                                .withReady(ready)
                                .withStarted(ready)
                                .withRestartCount(0)
                                .withState(state)
                                .build())
                        .endStatus()
                        .build()));
    }

    private static String now() {
        return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    @Override
    void end() {
        stopOperator();
    }
}
