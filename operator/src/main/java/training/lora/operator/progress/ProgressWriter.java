package training.lora.operator.progress;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.Progress;
import training.lora.api.ProgressMessage;
import training.lora.operator.OperatorConfig;

/** Writes reports to {@code status.progress}, and to nothing else, at a bounded rate over all resources. */
@Singleton
final class ProgressWriter {
    private static final Logger LOG = LoggerFactory.getLogger(ProgressWriter.class);
    private static final long TICK_MILLIS = 200;
    /** A trainer's report a resource is written no oftener, unless it is urgent. */
    private static final Duration LEAST_INTERVAL = Duration.ofSeconds(2);
    /** After this long without a report a resource no longer counts. */
    private static final Duration FORGET_AFTER = Duration.ofMinutes(10);

    private final KubernetesClient client;
    private final ProgressBoard board;
    private final Clock clock = Clock.systemUTC();
    private final double perSecond;
    private final TokenBucket bucket;
    private final Map<ResourceID, Instant> lastWrites = new ConcurrentHashMap<>();
    private final ScheduledExecutorService thread =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "progress-writer"));
    private @Nullable Future<?> ticking;

    ProgressWriter(KubernetesClient client, ProgressBoard board, OperatorConfig config) {
        this.client = client;
        this.board = board;
        this.perSecond = config.progress().writesPerSecond();
        this.bucket = new TokenBucket(perSecond, clock.instant());
    }

    void start(@Observes StartupEvent event) {
        ticking = thread.scheduleWithFixedDelay(this::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
    }

    void stop(@Observes ShutdownEvent event) {
        if (ticking != null) {
            ticking.cancel(false);
        }
        thread.shutdown();
    }

    /** Seconds after which a trainer's next report can be written. */
    int nextReportSeconds() {
        return (int) Math.max(LEAST_INTERVAL.toSeconds(), Math.ceil(board.size() / perSecond));
    }

    private void tick() {
        try {
            // Copied, since the board changes meanwhile.
            for (Map.Entry<ResourceID, ProgressBoard.Entry> next :
                    Set.copyOf(board.entries().entrySet())) {
                consider(next.getKey(), next.getValue());
            }
        } catch (RuntimeException e) {
            LOG.warn("progress could not be written, it is tried again", e);
        }
    }

    private void consider(ResourceID id, ProgressBoard.Entry entry) {
        Instant now = clock.instant();
        Instant last = lastWrites.getOrDefault(id, Instant.EPOCH);
        if (entry.written()) {
            if (last.plus(FORGET_AFTER).isBefore(now)) {
                board.forget(id, entry);
                lastWrites.remove(id);
            }
        } else if (entry.urgent()) {
            bucket.force(now);
            write(id, entry, now);
        } else if (!last.plus(LEAST_INTERVAL).isAfter(now) && bucket.take(now)) {
            write(id, entry, now);
        }
    }

    private void write(ResourceID id, ProgressBoard.Entry entry, Instant now) {
        lastWrites.put(id, now);
        ObjectNode patch = Json.MAPPER.createObjectNode();
        // A resource of the same name that came later is refused by its uid.
        patch.putObject("metadata").put("uid", entry.uid());
        patch.putObject("status").set("progress", progress(entry.message()));
        try {
            client.resources(LoraTraining.class)
                    .inNamespace(id.getNamespace().orElseThrow())
                    .withName(id.getName())
                    .subresource("status")
                    .patch(PatchContext.of(PatchType.JSON_MERGE), patch.toString());
            board.written(id, entry);
        } catch (KubernetesClientException e) {
            boolean gone = e.getCode() == HttpURLConnection.HTTP_NOT_FOUND
                    || e.getCode() == HttpURLConnection.HTTP_CONFLICT
                    || e.getCode() == 422;
            if (!gone) {
                throw e;
            }
            board.forget(id, entry);
        }
    }

    /** What stands in the status; a field that is unset is null, so that the patch removes it. */
    static ObjectNode progress(ProgressMessage message) {
        int percentage = message.steps() <= 0 ? 0 : (int) Math.min(100, 100L * message.step() / message.steps());
        Integer left = message.estimatedRemainingSeconds();
        ObjectNode node = Json.MAPPER.valueToTree(new Progress(
                message.stage(),
                message.attempt(),
                message.step(),
                message.steps(),
                percentage,
                left,
                percentage + "%",
                left == null ? null : spoken(left),
                message.time(),
                message.metrics()));
        if (left == null) {
            node.putNull("estimatedRemainingSeconds").putNull("remaining");
        }
        return node;
    }

    /** As kubectl prints ages: the largest unit that is not zero. */
    private static String spoken(int seconds) {
        if (seconds < 120) {
            return seconds + "s";
        }
        return seconds < 7200 ? seconds / 60 + "m" : seconds / 3600 + "h";
    }
}
