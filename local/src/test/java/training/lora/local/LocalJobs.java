package training.lora.local;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import training.lora.local.kubelet.Image;

/** Jobs of a cluster in this process. The image `shell` runs its one argument. */
abstract class LocalJobs {
    static final String UID_LABEL = "job-name";

    Path dir;

    LocalCluster cluster;

    KubernetesClient client;

    @BeforeAll
    void start(@TempDir Path temporary) throws Exception {
        dir = temporary;
        cluster = LocalCluster.start(
                temporary,
                Map.of("shell", new Image(List.of("/bin/sh", "-c"), Map.of("BY_THE_IMAGE", "1", "BY_BOTH", "image"))));
        client = cluster.client();
    }

    @AfterAll
    void stop() {
        cluster.close();
    }

    static JobBuilder job(String name, String script) {
        return new JobBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace("default")
                .endMetadata()
                .withNewSpec()
                .withBackoffLimit(0)
                .withNewTemplate()
                .withNewSpec()
                .withRestartPolicy("Never")
                .addNewContainer()
                .withName("main")
                .withImage("shell:1")
                .withArgs(script)
                .withNewResources()
                .addToRequests("cpu", new Quantity("100m"))
                .endResources()
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec();
    }

    Job create(JobBuilder job) {
        return client.resource(job.build()).create();
    }

    Job await(String name, Predicate<Job> condition) {
        return client.batch()
                .v1()
                .jobs()
                .inNamespace("default")
                .withName(name)
                .waitUntilCondition(j -> j != null && condition.test(j), 20, TimeUnit.SECONDS);
    }

    static boolean has(Job job, String type) {
        return job.getStatus() != null
                && job.getStatus().getConditions().stream()
                        .anyMatch(c -> c.getType().equals(type) && c.getStatus().equals("True"));
    }

    Pod pod(String job) {
        return client.pods()
                .inNamespace("default")
                .withLabel(UID_LABEL, job)
                .list()
                .getItems()
                .get(0);
    }
}
