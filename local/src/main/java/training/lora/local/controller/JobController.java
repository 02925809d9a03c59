package training.lora.local.controller;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Observes Jobs and their pods, asks {@link JobPlan}, and does what it says. One thread, so no pod is made twice. */
public final class JobController implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(JobController.class);
    private static final String JOB_UID = "batch.kubernetes.io/controller-uid";
    private static final String SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";
    private static final int SUFFIX_LENGTH = 5;
    private static final long RETRY_MILLIS = 500;

    private final KubernetesClient client;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(r -> {
        Thread t = new Thread(r, "job-controller");
        t.setDaemon(true);
        return t;
    });
    private final List<SharedIndexInformer<?>> informers;

    private JobController(KubernetesClient client) {
        this.client = client;
        informers = List.of(
                client.batch()
                        .v1()
                        .jobs()
                        .inAnyNamespace()
                        .inform(handler(job -> look(
                                job.getMetadata().getNamespace(),
                                job.getMetadata().getName(),
                                0))),
                client.pods().inAnyNamespace().inform(handler(this::lookAtOwner)));
    }

    /** Starts; {@code client} stays the caller's. */
    public static JobController start(KubernetesClient client) {
        return new JobController(client);
    }

    private static <T extends HasMetadata> ResourceEventHandler<T> handler(Consumer<T> act) {
        return new ResourceEventHandler<>() {
            @Override
            public void onAdd(T object) {
                act.accept(object);
            }

            @Override
            public void onUpdate(T before, T after) {
                act.accept(after);
            }

            @Override
            public void onDelete(T object, boolean unknown) {
                act.accept(object);
            }
        };
    }

    private void lookAtOwner(Pod pod) {
        pod.getMetadata().getOwnerReferences().stream()
                .filter(o -> o.getKind().equals("Job"))
                .forEach(o -> look(pod.getMetadata().getNamespace(), o.getName(), 0));
    }

    private void look(String namespace, String name, long delayMillis) {
        try {
            thread.schedule(() -> reconcile(namespace, name), delayMillis, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("{}/{} is not looked at: stopping", namespace, name);
        }
    }

    private void reconcile(String namespace, String name) {
        try {
            Job job = client.batch()
                    .v1()
                    .jobs()
                    .inNamespace(namespace)
                    .withName(name)
                    .get();
            if (job != null && job.getMetadata().getDeletionTimestamp() == null) {
                act(job);
            }
        } catch (KubernetesClientException e) {
            // Someone wrote in between, or the server is busy: what is then there decides.
            LOG.debug("{}/{}: {}", namespace, name, e.getMessage());
            look(namespace, name, RETRY_MILLIS);
        } catch (RuntimeException e) {
            LOG.error("Job {}/{} can't be run", namespace, name, e);
        }
    }

    private void act(Job job) {
        ObjectMeta metadata = job.getMetadata();
        String namespace = metadata.getNamespace();
        List<Pod> pods = client.pods()
                .inNamespace(namespace)
                .withLabel(JOB_UID, metadata.getUid())
                .list()
                .getItems();
        JobPlan plan = JobPlan.of(job, pods, Instant.now());
        if (!plan.status().equals(job.getStatus())) {
            job.setStatus(plan.status());
            client.batch().v1().jobs().inNamespace(namespace).resource(job).updateStatus();
        }
        if (plan.createPod()) {
            client.pods().inNamespace(namespace).resource(pod(job)).create();
        }
    }

    private static Pod pod(Job job) {
        ObjectMeta metadata = job.getMetadata();
        ObjectMeta template = job.getSpec().getTemplate().getMetadata();
        return new PodBuilder()
                .withNewMetadata()
                .withName(metadata.getName() + "-" + suffix())
                .withNamespace(metadata.getNamespace())
                .withLabels(template.getLabels())
                .withAnnotations(template.getAnnotations())
                .withOwnerReferences(new OwnerReferenceBuilder()
                        .withApiVersion(job.getApiVersion())
                        .withKind(job.getKind())
                        .withName(metadata.getName())
                        .withUid(metadata.getUid())
                        .withController(true)
                        .withBlockOwnerDeletion(true)
                        .build())
                .endMetadata()
                .withSpec(job.getSpec().getTemplate().getSpec())
                .build();
    }

    private static String suffix() {
        StringBuilder suffix = new StringBuilder();
        for (int i = 0; i < SUFFIX_LENGTH; i++) {
            suffix.append(SUFFIX_LETTERS.charAt(ThreadLocalRandom.current().nextInt(SUFFIX_LETTERS.length())));
        }
        return suffix.toString();
    }

    @Override
    public void close() {
        informers.forEach(SharedIndexInformer::stop);
        thread.shutdownNow();
    }
}
