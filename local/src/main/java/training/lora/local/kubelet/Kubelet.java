package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Scheduler, kubelet and volume binder of the one node: starts pods as processes when what they ask for is free, oldest
 * first, and tells the API server what becomes of them.
 */
public final class Kubelet implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Kubelet.class);
    private static final long LOOK_AGAIN_MILLIS = 1000;
    /** Of pods that run when the cluster ends. */
    private static final Duration GRACE = Duration.ofSeconds(5);

    private final KubernetesClient client;
    private final KubeletConfig config;
    private final Capacity capacity;
    private final Claims claims;
    private final PodStatuses statuses;
    private final ScheduledExecutorService clock = Executors.newScheduledThreadPool(2, r -> {
        Thread thread = new Thread(r, "kubelet");
        thread.setDaemon(true);
        return thread;
    });
    /** By the pod's uid, in the order of their start; only touched under this object's lock. */
    private final Map<String, PodProcess> processes = new LinkedHashMap<>();

    private final Map<String, Path> logs = new ConcurrentHashMap<>();
    private final List<SharedIndexInformer<?>> informers = new ArrayList<>();
    private boolean closed;

    private Kubelet(KubernetesClient client, KubeletConfig config) {
        this.client = client;
        this.config = config;
        this.capacity = Capacity.of(config);
        this.claims = new Claims(config.dir().resolve("volumes"));
        this.statuses = new PodStatuses(client);
    }

    /** Starts; {@code client} stays the caller's. */
    public static Kubelet start(KubernetesClient client, KubeletConfig config) {
        Kubelet kubelet = new Kubelet(client, config);
        kubelet.informers.add(client.pods().inAnyNamespace().inform(kubelet.handler()));
        kubelet.informers.add(client.persistentVolumeClaims().inAnyNamespace().inform(kubelet.handler()));
        return kubelet;
    }

    /** The file that a pod's container writes its output to, or null if it was never started. */
    public @Nullable Path log(String namespace, String pod) {
        return logs.get(namespace + "/" + pod);
    }

    private <T extends HasMetadata> ResourceEventHandler<T> handler() {
        return new ResourceEventHandler<>() {
            @Override
            public void onAdd(T object) {
                look(0);
            }

            @Override
            public void onUpdate(T before, T after) {
                look(0);
            }

            @Override
            public void onDelete(T object, boolean unknown) {
                if (object instanceof PersistentVolumeClaim claim) {
                    release(claim);
                }
                look(0);
            }
        };
    }

    private void release(PersistentVolumeClaim claim) {
        try {
            claims.release(claim);
        } catch (IOException e) {
            LOG.warn("the folder of claim {} stays: {}", claim.getMetadata().getName(), e.toString());
        }
    }

    private void look(long delayMillis) {
        try {
            clock.schedule(this::sync, delayMillis, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.debug("stopping");
        }
    }

    private synchronized void sync() {
        if (closed) {
            return;
        }
        try {
            bindClaims();
            List<Pod> pods =
                    new ArrayList<>(client.pods().inAnyNamespace().list().getItems());
            pods.sort(Comparator.comparing((Pod p) -> p.getMetadata().getCreationTimestamp())
                    .thenComparing(p -> p.getMetadata().getName()));
            forgetGone(pods);
            boolean waiting = false;
            for (Pod pod : pods) {
                if (pod.getMetadata().getDeletionTimestamp() != null) {
                    end(pod);
                } else if ("Pending".equals(pod.getStatus().getPhase())
                        && !processes.containsKey(pod.getMetadata().getUid())) {
                    waiting |= !tryToStart(pod);
                }
            }
            if (waiting) {
                look(LOOK_AGAIN_MILLIS);
            }
        } catch (KubernetesClientException e) {
            LOG.debug("looks again: {}", e.getMessage());
            look(LOOK_AGAIN_MILLIS);
        } catch (RuntimeException | IOException e) {
            LOG.error("the pods could not be looked after", e);
            look(LOOK_AGAIN_MILLIS);
        }
    }

    private void bindClaims() throws IOException {
        for (PersistentVolumeClaim claim :
                client.persistentVolumeClaims().inAnyNamespace().list().getItems()) {
            if (!"Pending".equals(claim.getStatus().getPhase())) {
                continue;
            }
            claims.bind(claim);
            PersistentVolumeClaim bound = new PersistentVolumeClaimBuilder(claim)
                    .editStatus()
                    .withPhase("Bound")
                    .withAccessModes(claim.getSpec().getAccessModes())
                    .withCapacity(claim.getSpec().getResources().getRequests())
                    .endStatus()
                    .build();
            client.persistentVolumeClaims()
                    .inNamespace(claim.getMetadata().getNamespace())
                    .resource(bound)
                    .updateStatus();
        }
    }

    private void forgetGone(List<Pod> pods) throws IOException {
        Set<String> there = new HashSet<>();
        pods.forEach(p -> there.add(p.getMetadata().getUid()));
        for (PodProcess process : List.copyOf(processes.values())) {
            Pod pod = process.pod();
            if (!there.contains(pod.getMetadata().getUid())) {
                process.kill();
                if (process.ended()) {
                    processes.remove(pod.getMetadata().getUid());
                    logs.remove(key(pod), logFile(pod));
                    Folders.delete(dir(pod));
                }
            }
        }
    }

    private void end(Pod pod) {
        PodProcess process = processes.get(pod.getMetadata().getUid());
        if (process != null && !process.ended()) {
            Long grace = pod.getMetadata().getDeletionGracePeriodSeconds();
            process.stop(grace == null ? 0 : grace);
        } else {
            client.pods()
                    .inNamespace(pod.getMetadata().getNamespace())
                    .withName(pod.getMetadata().getName())
                    .withGracePeriod(0)
                    .delete();
        }
    }

    /** Whether the pod is off the waiting list: started, or refused for good. */
    private boolean tryToStart(Pod pod) throws IOException {
        String unsupported = unsupported(pod.getSpec());
        if (unsupported != null) {
            statuses.refused(pod, "NotSupported", unsupported);
            return true;
        }
        Path dir = dir(pod);
        PodRoot root = new PodRoot(client, claims, pod, dir);
        List<String> missing = root.missing();
        List<Pod> running = processes.values().stream()
                .filter(p -> !p.ended())
                .map(PodProcess::pod)
                .toList();
        String lack = missing.isEmpty() ? capacity.lack(pod, running) : String.join(", ", missing);
        if (lack != null) {
            statuses.unschedulable(pod, lack);
            return false;
        }
        String image = pod.getSpec().getContainers().get(0).getImage();
        Image known = config.images().get(withoutTag(image));
        if (known == null) {
            statuses.waiting(
                    pod,
                    "ErrImagePull",
                    "the embedded cluster pulls no images; it knows "
                            + config.images().keySet() + ", not " + image);
            return false;
        }
        statuses.placed(pod);
        Files.createDirectories(dir);
        logs.put(key(pod), logFile(pod));
        PodProcess process = new PodProcess(statuses, pod, known, root, logFile(pod), clock);
        processes.put(pod.getMetadata().getUid(), process);
        Thread thread = new Thread(
                () -> process.run(() -> look(0)), "pod " + pod.getMetadata().getName());
        thread.setDaemon(true);
        thread.start();
        return true;
    }

    private static @Nullable String unsupported(PodSpec spec) {
        Container container = spec.getContainers().get(0);
        String what = null;
        if (spec.getContainers().size() > 1 || !spec.getInitContainers().isEmpty()) {
            what = "a pod of several containers";
        } else if (!"Never".equals(spec.getRestartPolicy())) {
            what = "restartPolicy " + spec.getRestartPolicy();
        } else if (!container.getCommand().isEmpty()) {
            what = "command, which would replace what stands for the image,";
        }
        return what == null ? null : new NotSupportedException(what).getMessage();
    }

    private static String withoutTag(String image) {
        int colon = image.lastIndexOf(':');
        return colon > image.lastIndexOf('/') ? image.substring(0, colon) : image;
    }

    private static String key(Pod pod) {
        return pod.getMetadata().getNamespace() + "/" + pod.getMetadata().getName();
    }

    private Path dir(Pod pod) {
        return config.dir()
                .resolve("pods")
                .resolve(pod.getMetadata().getNamespace() + "_"
                        + pod.getMetadata().getName() + "_" + pod.getMetadata().getUid());
    }

    private Path logFile(Pod pod) {
        return dir(pod).resolve(pod.getSpec().getContainers().get(0).getName() + ".log");
    }

    /** Ends every pod: SIGTERM, and SIGKILL to what is left after some seconds. */
    @Override
    public void close() {
        List<PodProcess> alive;
        synchronized (this) {
            closed = true;
            alive = processes.values().stream().filter(p -> !p.ended()).toList();
        }
        informers.forEach(SharedIndexInformer::stop);
        alive.forEach(p -> p.stop(GRACE.toSeconds()));
        long end = System.nanoTime() + GRACE.toNanos();
        try {
            while (alive.stream().anyMatch(p -> !p.ended()) && System.nanoTime() < end) {
                Thread.sleep(20);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        alive.forEach(PodProcess::kill);
        clock.shutdownNow();
    }
}
