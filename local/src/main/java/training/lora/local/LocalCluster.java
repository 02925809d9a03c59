package training.lora.local;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import training.lora.local.apiserver.ApiServer;
import training.lora.local.controller.JobController;
import training.lora.local.kubelet.Image;
import training.lora.local.kubelet.Kubelet;
import training.lora.local.kubelet.KubeletConfig;

/** An API server, a Job controller and a kubelet, all within this JVM; pods are its child processes. */
public final class LocalCluster implements AutoCloseable {
    private static final String CRD = "/META-INF/fabric8/loratrainings.lora.training-v1.yml";

    private final ApiServer server;
    private final KubernetesClient client;
    private final JobController jobs;
    private final Kubelet kubelet;

    private LocalCluster(Path dir, Map<String, Image> images) throws IOException {
        AtomicReference<Kubelet> runner = new AtomicReference<>();
        server = ApiServer.start(dir, (namespace, pod) -> {
            Kubelet running = runner.get();
            return running == null ? null : running.log(namespace, pod);
        });
        client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(Files.readString(server.kubeconfig())))
                .build();
        jobs = JobController.start(client);
        kubelet = Kubelet.start(client, new KubeletConfig(dir, images, cpus(), memoryBytes()));
        runner.set(kubelet);
    }

    /**
     * Starts a cluster without anything in it.
     *
     * @param dir where the kubeconfig, volumes and pods' folders lie
     * @param images what stands for an image, by the image's name without tag
     */
    public static LocalCluster start(Path dir, Map<String, Image> images) throws IOException {
        return new LocalCluster(dir.toAbsolutePath().normalize(), images);
    }

    private static int cpus() {
        return Runtime.getRuntime().availableProcessors();
    }

    private static long memoryBytes() {
        var system = java.lang.management.ManagementFactory.getPlatformMXBean(
                com.sun.management.OperatingSystemMXBean.class);
        return system.getTotalMemorySize();
    }

    /** Makes it know LoraTraining; when this returns, resources can be applied. */
    public void installCrd() throws IOException {
        try (InputStream crd = LocalCluster.class.getResourceAsStream(CRD)) {
            // A client that has waited too long for the answer asks again.
            client.resource(crd).createOr(NonDeletingOperation::update);
        }
    }

    /** An administrator's client. */
    public KubernetesClient client() {
        return client;
    }

    /** The file that a KUBECONFIG variable may name. */
    public Path kubeconfig() {
        return server.kubeconfig();
    }

    /** Ends pods, then the rest. */
    @Override
    public void close() {
        jobs.close();
        kubelet.close();
        client.close();
        server.close();
    }
}
