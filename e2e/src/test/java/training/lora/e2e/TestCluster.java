package training.lora.e2e;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.local.LocalCluster;
import training.lora.local.OperatorProcess;
import training.lora.local.kubelet.Image;

/** An embedded cluster with the CRD, and the operator as a process that can be killed. */
final class TestCluster implements AutoCloseable {
    static final Path HOME = Path.of("..").toAbsolutePath().normalize();
    private static final int MINUTES = 15;

    private final Path dir;
    private final LocalCluster cluster;
    private OperatorProcess operator;

    TestCluster(Path dir) throws Exception {
        this.dir = dir;
        cluster = LocalCluster.start(
                dir,
                Map.of("lora-trainer", Image.of(HOME.resolve("bin/lora-trainer").toString())));
        cluster.installCrd();
        operator = newOperator();
        operator.awaitReady();
    }

    private OperatorProcess newOperator() throws IOException {
        return OperatorProcess.start(HOME, cluster.kubeconfig(), dir.resolve("operator.log"));
    }

    KubernetesClient client() {
        return cluster.client();
    }

    Path kubeconfig() {
        return cluster.kubeconfig();
    }

    void killOperator() throws InterruptedException {
        operator.kill();
    }

    void startOperator() throws Exception {
        operator = newOperator();
        operator.awaitReady();
    }

    /** Where the cluster keeps what a {@code pvc://} uri names. */
    Path file(String uri) {
        return dir.resolve("volumes/default").resolve(uri.substring("pvc://".length()));
    }

    /** Applies quick.yaml under another name and with changes. */
    void apply(String name, Consumer<GenericKubernetesResource> change) throws IOException {
        try (var yaml = TestCluster.class.getResourceAsStream("/quick.yaml")) {
            GenericKubernetesResource resource =
                    client().getKubernetesSerialization().unmarshal(yaml, GenericKubernetesResource.class);
            resource.getMetadata().setName(name);
            change.accept(resource);
            if (client().resource(resource).get() == null) {
                client().resource(resource).create();
                return;
            }
            // As kubectl apply does it: a patch of no certain version, which a status written at the same time doesn't
            // disturb.
            Map<String, ?> patch =
                    Map.of("spec", resource.getAdditionalProperties().get("spec"));
            client().resource(resource)
                    .patch(PatchContext.of(PatchType.JSON_MERGE), Json.MAPPER.writeValueAsString(patch));
        }
    }

    LoraTraining await(String name, Predicate<LoraTraining> condition) {
        return client().resources(LoraTraining.class)
                .inNamespace("default")
                .withName(name)
                .waitUntilCondition(r -> r != null && condition.test(r), MINUTES, TimeUnit.MINUTES);
    }

    List<String> jobs(String name) {
        return client()
                .batch()
                .v1()
                .jobs()
                .inNamespace("default")
                .withLabel("lora.training/name", name)
                .list()
                .getItems()
                .stream()
                .map((Job j) -> j.getMetadata().getName())
                .sorted()
                .toList();
    }

    @Override
    public void close() {
        operator.close();
        cluster.close();
    }
}
