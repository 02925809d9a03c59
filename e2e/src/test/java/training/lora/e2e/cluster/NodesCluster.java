package training.lora.e2e.cluster;

import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A Kubernetes with two nodes that run pods, each with one simulated GPU, the project's images, and the operator as its
 * chart installs it. Needs root, and is one of its kind on a machine.
 */
final class NodesCluster extends Kube {
    static final List<String> NODES = List.of("node-1", "node-2");

    private final ScheduledExecutorService keeper = Executors.newSingleThreadScheduledExecutor(r -> {
        Thread thread = new Thread(r, "keeps the logs of pods");
        thread.setDaemon(true);
        return thread;
    });

    private final OperatorChart operator = new OperatorChart(this);

    private NodesCluster(Scripts scripts) {
        super(scripts, "nodes");
    }

    static NodesCluster start() {
        Scripts scripts = new Scripts(
                "nodes",
                Map.of(
                        // A lost node is seen after 20 s, and its pods are deleted 5 s later.
                        "KUBE_CONTROLLER_MANAGER_ARGS", "--node-monitor-grace-period=20s",
                        "KUBE_APISERVER_ARGS",
                                "--default-not-ready-toleration-seconds=5 --default-unreachable-toleration-seconds=5",
                        // Pods see a changed ConfigMap within seconds, not a minute and a half.
                        "KUBELET_ARGS", "--sync-frequency=5s"));
        scripts.prepare("--nodes");
        Objects.requireNonNull(scripts.lock());
        NodesCluster cluster = new NodesCluster(scripts);
        boolean isNew = cluster.up("--nodes", Integer.toString(NODES.size()), "--gpus", "1");
        cluster.keeper.scheduleWithFixedDelay(() -> Evidence.keepPodLogs(scripts.run()), 1, 1, TimeUnit.SECONDS);
        cluster.install(isNew);
        return cluster;
    }

    private void install(boolean isNew) {
        if (isNew) {
            List<Path> images = new ArrayList<>(images());
            images.add(Path.of(last(scripts().script("stub").ok())));
            load(images.toArray(Path[]::new));
            namespace(OperatorChart.NAMESPACE);
        }
        operator.apply();
    }

    /** The operator, which the chart installed with two replicas. */
    OperatorChart operator() {
        return operator;
    }

    /** Puts the images of the archives on every node. */
    void load(Path... archives) {
        scripts()
                .script("load", Stream.of(archives).map(Path::toString).toArray(String[]::new))
                .ok();
    }

    /**
     * Makes a volume for a claim that is still to come: there is no storage class. Its folder lies on this machine, so both
     * nodes have it. fsGroup changes nothing about it, hence anyone may write there.
     *
     * @return the folder
     */
    Path volume(String namespace, String claim) {
        return Path.of(last(scripts().script("volume", namespace, claim).ok()));
    }

    /** Makes a claim for the volume of that name. */
    void claim(String namespace, String claim) {
        client().resource(new PersistentVolumeClaimBuilder()
                        .withNewMetadata()
                        .withName(claim)
                        .withNamespace(namespace)
                        .endMetadata()
                        .withNewSpec()
                        .withAccessModes("ReadWriteOnce")
                        .withStorageClassName("")
                        .withNewResources()
                        .addToRequests("storage", new Quantity("1Gi"))
                        .endResources()
                        .endSpec()
                        .build())
                .create();
    }

    /**
     * Applies a training whose stages are stubs; the first time its workspace's volume is made.
     *
     * @param scripts what stages do before they end well, by STAGE or STAGE-ATTEMPT in lower case, in sh; may exit
     * @param change of {@code spec.runtime}
     */
    void stub(String namespace, String name, Map<String, String> scripts, Consumer<Map<String, Object>> change) {
        String claim = name + "-workspace";
        if (client().persistentVolumes().withName(namespace + "." + claim).get() == null) {
            Path folder = openFolder(volume(namespace, claim).resolve("stub"));
            scripts.forEach((stage, script) -> Evidence.write(folder.resolve(stage), script + "\n"));
        }
        stubWithoutVolume(namespace, name, change);
    }

    /** Applies a training whose stages are stubs and end well. */
    void stubWithoutVolume(String namespace, String name, Consumer<Map<String, Object>> change) {
        apply(namespace, name, resource -> {
            Map<String, Object> runtime = new HashMap<>(Map.of("image", "cluster.test/stub-trainer:1"));
            change.accept(runtime);
            spec(resource).put("runtime", runtime);
        });
    }

    /** Makes the file {@code /workspace/stub/NAME} of a training's pods, on which the scripts of its stages may wait. */
    void tell(String namespace, String training, String name) {
        Path folder = scripts().run().resolve("volumes").resolve(namespace).resolve(training + "-workspace");
        Evidence.write(folder.resolve("stub").resolve(name), "");
    }

    /** Makes a folder, if it is not there, that users of any pod may write to. */
    static Path openFolder(Path folder) {
        try {
            Files.createDirectories(folder);
            return Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Cuts a node off as a power failure does; {@code node} counts from 1. */
    void fail(int node) {
        scripts().script("node-fail", Integer.toString(node)).ok();
    }

    /** Brings a node back that was cut off. */
    void heal(int node) {
        scripts().script("node-fail", Integer.toString(node), "back").ok();
    }

    /** Ends a component of the control plane and starts it again {@code seconds} later. */
    void restart(String component, int seconds) {
        scripts().script("restart", component, Integer.toString(seconds)).ok();
    }

    /** Where pods' processes run: by pod, the node's name. */
    Map<String, String> nodesOf(String namespace, String training) {
        Map<String, String> nodes = new TreeMap<>();
        client().pods()
                .inNamespace(namespace)
                .withLabel("lora.training/name", training)
                .list()
                .getItems()
                .forEach(p -> nodes.put(
                        p.getMetadata().getLabels().get("job-name"),
                        String.valueOf(p.getSpec().getNodeName())));
        return nodes;
    }

    @Override
    void end() {
        keeper.shutdownNow();
    }

    private static List<Path> images() {
        List<Path> images = List.of(
                Scripts.HOME.resolve("images/lora-operator.tar"), Scripts.HOME.resolve("images/lora-trainer-cpu.tar"));
        for (Path image : images) {
            if (!Files.exists(image)) {
                throw new AssertionError(image + " must be there: mvn package -Pimages -DskipTests");
            }
        }
        return images;
    }
}
