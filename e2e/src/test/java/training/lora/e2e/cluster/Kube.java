package training.lora.e2e.cluster;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.FieldValidateable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.junit.jupiter.api.extension.ExtensionContext;
import training.lora.api.LoraTraining;

/**
 * A Kubernetes that is up, as an administrator sees it. When it ends, everything's logs and objects lie in
 * {@code e2e/target/cluster/NAME}.
 */
abstract class Kube implements ExtensionContext.Store.CloseableResource, AutoCloseable {
    private static final Path QUICK = Scripts.HOME.resolve("e2e/src/test/resources/quick.yaml");
    private static final int MINUTES = 20;
    /** Whether the cluster stays for the next run, for people who write a test. */
    private static final boolean KEEP = "true".equals(System.getenv("LORA_CLUSTER_KEEP"));

    private final Scripts scripts;
    private final Path logs;
    private final Thread hook = new Thread(this::down, "ends the cluster");
    private Path kubeconfig = Path.of("");
    private Path tools = Path.of("");
    private KubernetesClient client =
            new KubernetesClientBuilder().withConfig(Config.empty()).build();
    private boolean isDown;

    /**
     * @param scripts for this cluster alone
     * @param logs the name of the logs' folder
     */
    Kube(Scripts scripts, String logs) {
        this.scripts = scripts;
        this.logs = Scripts.HOME.resolve("e2e/target/cluster").resolve(logs);
    }

    /**
     * Starts it; what an earlier run left is ended before.
     *
     * @return whether it was started, and is not the one that an earlier run kept
     */
    final boolean up(String... flags) {
        kubeconfig = scripts.run().resolve("admin.kubeconfig");
        tools = Path.of(last(scripts.script("tools").ok()));
        boolean found = KEEP
                && Files.exists(kubeconfig)
                && kubectl("get", "--raw", "/readyz").code() == 0;
        if (!found) {
            scripts.script("down", "--clean").ok();
            Runtime.getRuntime().addShutdownHook(hook);
            scripts.script("up", flags).ok();
        }
        client = client(kubeconfig);
        return !found;
    }

    /** The last line of what a script said: what it answers, after warnings. */
    static String last(String output) {
        String[] lines = output.strip().split("\n", -1);
        return lines[lines.length - 1];
    }

    /** A client with another user's kubeconfig; the caller closes it. */
    static KubernetesClient client(Path kubeconfig) {
        try {
            Config config = Config.fromKubeconfig(Files.readString(kubeconfig));
            config.setHttpsProxy(null);
            config.setHttpProxy(null);
            return new KubernetesClientBuilder().withConfig(config).build();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    final KubernetesClient client() {
        return client;
    }

    final Path kubeconfig() {
        return kubeconfig;
    }

    /** The folder of kubectl and helm. */
    final Path tools() {
        return tools;
    }

    /** Where logs, objects and what tests want to keep are gathered. */
    final Path logs() {
        try {
            return Files.createDirectories(logs);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    final Scripts scripts() {
        return scripts;
    }

    final Scripts.Result kubectl(String... arguments) {
        return tool("kubectl", arguments);
    }

    final Scripts.Result helm(String... arguments) {
        return tool("helm", arguments);
    }

    private Scripts.Result tool(String tool, String... arguments) {
        List<String> command = new ArrayList<>(List.of(tools.resolve(tool).toString()));
        command.addAll(List.of(arguments));
        return scripts.run(command, Map.of("KUBECONFIG", kubeconfig.toString()));
    }

    /** Makes a namespace that holds its pods to the restricted Pod Security standard. */
    final String namespace(String name) {
        if (KEEP) {
            forget(name);
        }
        client.resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .addToLabels("pod-security.kubernetes.io/enforce", "restricted")
                        .endMetadata()
                        .build())
                .create();
        client.serviceAccounts()
                .inNamespace(name)
                .withName("default")
                .waitUntilCondition(Objects::nonNull, 180, TimeUnit.SECONDS);
        return name;
    }

    /** Deletes the volume of a claim that is gone, with what is in it. */
    final void forgetVolume(String namespace, String claim) {
        kubectl("delete", "pv", namespace + "." + claim, "--timeout=60s").ok();
    }

    /** Deletes what an earlier run left in a cluster that was kept. */
    private void forget(String namespace) {
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s")
                .ok();
        client.persistentVolumes().list().getItems().stream()
                .filter(v -> v.getMetadata().getName().startsWith(namespace + "."))
                .forEach(v -> kubectl("delete", "pv", v.getMetadata().getName()).ok());
    }

    /** Applies quick.yaml, whose training has four steps, under another name and with changes. */
    final LoraTraining apply(String namespace, String name, Consumer<GenericKubernetesResource> change) {
        return apply(QUICK, namespace, name, change);
    }

    /** Applies a file of the one LoraTraining under another name and with changes. */
    final LoraTraining apply(Path file, String namespace, String name, Consumer<GenericKubernetesResource> change) {
        try (var yaml = Files.newInputStream(file)) {
            GenericKubernetesResource resource =
                    client.getKubernetesSerialization().unmarshal(yaml, GenericKubernetesResource.class);
            resource.getMetadata().setNamespace(namespace);
            resource.getMetadata().setName(name);
            change.accept(resource);
            client.resource(resource)
                    .fieldValidation(FieldValidateable.Validation.STRICT)
                    .serverSideApply();
            return get(namespace, name);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Reads and writes an object, again where a controller wrote it in between. */
    static void edit(Runnable change) {
        for (int left = 20; ; left--) {
            try {
                change.run();
                return;
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT || left == 0) {
                    throw e;
                }
            }
        }
    }

    /** Of {@code spec.runtime.stages}: lets the stage's pods run on that node. */
    static Map<String, Object> on(String stage, String node) {
        return Map.of(
                "name",
                stage,
                "podTemplate",
                Map.of("spec", Map.of("nodeSelector", Map.of("kubernetes.io/hostname", node))));
    }

    /** The spec, to be changed. */
    static Map<String, Object> spec(GenericKubernetesResource resource) {
        @SuppressWarnings("unchecked")
        Map<String, Object> spec = new HashMap<>(
                (Map<String, Object>) resource.getAdditionalProperties().get("spec"));
        resource.setAdditionalProperty("spec", spec);
        return spec;
    }

    final LoraTraining get(String namespace, String name) {
        return client.resources(LoraTraining.class)
                .inNamespace(namespace)
                .withName(name)
                .require();
    }

    /** Waits until the training is so; the time-out's message has what it was last. */
    final LoraTraining await(String namespace, String name, Predicate<LoraTraining> condition) {
        return client.resources(LoraTraining.class)
                .inNamespace(namespace)
                .withName(name)
                .waitUntilCondition(r -> r != null && condition.test(r), MINUTES, TimeUnit.MINUTES);
    }

    /** The names of a training's Jobs. */
    final List<String> jobs(String namespace, String training) {
        return client
                .batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withLabel("lora.training/name", training)
                .list()
                .getItems()
                .stream()
                .map(j -> j.getMetadata().getName())
                .sorted()
                .toList();
    }

    /** What ends before the control plane does. */
    abstract void end();

    private synchronized void down() {
        if (isDown) {
            return;
        }
        isDown = true;
        scripts.interrupt();
        try {
            Evidence.gather(this);
            end();
        } finally {
            client.close();
            if (!KEEP) {
                scripts.script("down", "--clean").ok();
            }
        }
    }

    @Override
    public final void close() {
        down();
        Runtime.getRuntime().removeShutdownHook(hook);
    }
}
