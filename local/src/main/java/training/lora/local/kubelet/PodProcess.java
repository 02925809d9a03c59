package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One pod as a process, from its volumes to its last words. */
final class PodProcess {
    private static final Logger LOG = LoggerFactory.getLogger(PodProcess.class);
    private static final int MESSAGE_BYTES = 4096;
    private static final int LOG_MESSAGE_BYTES = 2048;
    /** What a container would find in most images. */
    private static final List<String> INHERITED = List.of("PATH", "HOME", "JAVA_HOME", "LANG");

    private final PodStatuses statuses;
    private final Pod pod;
    private final Image image;
    private final PodRoot root;
    private final Path log;
    private final ScheduledExecutorService clock;
    private @Nullable Process process;
    private boolean stopping;
    private volatile boolean ended;

    PodProcess(PodStatuses statuses, Pod pod, Image image, PodRoot root, Path log, ScheduledExecutorService clock) {
        this.statuses = statuses;
        this.pod = pod;
        this.image = image;
        this.root = root;
        this.log = log;
        this.clock = clock;
    }

    Pod pod() {
        return pod;
    }

    /** Whether it has come to its end, and its status says so. */
    boolean ended() {
        return ended;
    }

    /** Runs to the end; then calls {@code whenDone}. */
    void run(Runnable whenDone) {
        try {
            runToTheEnd();
        } catch (NotSupportedException e) {
            statuses.refused(pod, "NotSupported", String.valueOf(e.getMessage()));
        } catch (IOException e) {
            statuses.refused(pod, "CreateContainerError", e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            LOG.error(
                    "pod {}/{}",
                    pod.getMetadata().getNamespace(),
                    pod.getMetadata().getName(),
                    e);
        } finally {
            ended = true;
            whenDone.run();
        }
    }

    private void runToTheEnd() throws IOException, NotSupportedException, InterruptedException {
        root.mount();
        String since = PodStatuses.now();
        Process started = start();
        if (started == null) {
            statuses.ended(pod, since, 143, "deleted before it started");
            return;
        }
        statuses.running(pod, since);
        int code = started.waitFor();
        statuses.ended(pod, since, code, lastWords(code));
    }

    /** Null if it was stopped before. */
    private synchronized @Nullable Process start() throws IOException, NotSupportedException {
        if (stopping) {
            return null;
        }
        List<String> line = new ArrayList<>(image.command());
        line.addAll(root.arguments());
        ProcessBuilder builder = new ProcessBuilder(line)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .redirectInput(Path.of("/dev/null").toFile());
        Map<String, String> environment = builder.environment();
        environment.keySet().retainAll(INHERITED);
        environment.putAll(image.environment());
        environment.putAll(root.environment());
        process = builder.start();
        return process;
    }

    private String lastWords(int code) throws IOException {
        Container container = pod.getSpec().getContainers().get(0);
        String message = Files.exists(root.terminationMessage())
                ? end(Files.readAllBytes(root.terminationMessage()), MESSAGE_BYTES, true)
                : "";
        boolean fromLog = message.isEmpty()
                && code != 0
                && "FallbackToLogsOnError".equals(container.getTerminationMessagePolicy());
        return fromLog ? end(Files.readAllBytes(log), LOG_MESSAGE_BYTES, false) : message;
    }

    private static String end(byte[] bytes, int most, boolean beginning) {
        int length = Math.min(bytes.length, most);
        return new String(bytes, beginning ? 0 : bytes.length - length, length, StandardCharsets.UTF_8);
    }

    /** SIGTERM now, SIGKILL after {@code graceSeconds}; returns at once. */
    synchronized void stop(long graceSeconds) {
        boolean first = !stopping;
        stopping = true;
        if (process == null || !first) {
            return;
        }
        LOG.info("pod {} is told to end", pod.getMetadata().getName());
        process.destroy();
        clock.schedule(this::kill, graceSeconds, TimeUnit.SECONDS);
    }

    /** SIGKILL, also to what it started. */
    synchronized void kill() {
        stopping = true;
        if (process != null && process.isAlive()) {
            List<ProcessHandle> family = process.descendants().toList();
            process.destroyForcibly();
            family.forEach(ProcessHandle::destroyForcibly);
        }
    }
}
