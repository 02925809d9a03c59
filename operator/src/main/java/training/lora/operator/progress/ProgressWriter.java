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
import jakarta.inject.Inject;
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
import training.lora.operator.plan.StageProgress;

/** Writes reports to {@code status.progress} and {@code status.loss} at a bounded rate over all resources. */
@Singleton
final class ProgressWriter {
    private static final Logger LOG = LoggerFactory.getLogger(ProgressWriter.class);
    private static final long TICK_MILLIS = 200;
    /** The schema refuses it. */
    private static final int UNPROCESSABLE = 422;
    /** A resource's reports are written no oftener, unless one is urgent. */
    private static final Duration LEAST_INTERVAL = Duration.ofSeconds(2);
    /** A report that is urgent each time is so no oftener. */
    private static final Duration LEAST_URGENT_INTERVAL = Duration.ofSeconds(10);
    /** A report in every half percent. */
    private static final double REPORTS_PER_STAGE = 200;
    /** However long a stage takes, people want to see that it goes on. */
    private static final double LONGEST_BY_LENGTH = 60;
    /** After this long without a report a resource no longer counts. */
    private static final Duration FORGET_AFTER = Duration.ofMinutes(10);

    /** When a resource's report was written last, and when one at once. */
    private record Writes(Instant last, Instant urgent) {
        static final Writes NONE = new Writes(Instant.EPOCH, Instant.EPOCH);
    }

    private final KubernetesClient client;
    private final ProgressBoard board;
    private final Clock clock;
    private final double perSecond;
    private final TokenBucket bucket;
    private final Map<ResourceID, Writes> lastWrites = new ConcurrentHashMap<>();
    private final ScheduledExecutorService thread =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "progress-writer"));
    private @Nullable Future<?> ticking;

    @Inject
    ProgressWriter(KubernetesClient client, ProgressBoard board, OperatorConfig config) {
        this(client, board, config.progress().writesPerSecond(), Clock.systemUTC());
    }

    ProgressWriter(KubernetesClient client, ProgressBoard board, double perSecond, Clock clock) {
        this.client = client;
        this.board = board;
        this.perSecond = perSecond;
        this.clock = clock;
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

    /**
     * Seconds after which a trainer should report again. They grow with the number of those that report, so that each
     * report can be written, and with the stage's length, of which a report in every half percent shows enough.
     */
    int nextReportSeconds(LoraTraining resource, ProgressMessage message) {
        double share = Math.ceil(board.size() / perSecond);
        double length = stageSeconds(resource, message) / REPORTS_PER_STAGE;
        return (int) Math.max(LEAST_INTERVAL.toSeconds(), Math.max(share, Math.min(length, LONGEST_BY_LENGTH)));
    }

    /** How long the stage takes in all, as far as is known. */
    private double stageSeconds(LoraTraining resource, ProgressMessage message) {
        Integer left = message.estimatedRemainingSeconds();
        double done = resource.getStatus().stages().stream()
                .filter(s -> s.name() == message.stage() && s.startTime() != null)
                .mapToDouble(s -> Duration.between(ProgressBoard.time(s.startTime()), clock.instant())
                        .toSeconds())
                .findFirst()
                .orElse(0);
        return done + (left == null ? 0 : left);
    }

    private void tick() {
        try {
            round();
        } catch (RuntimeException e) {
            // An exception that leaves here would end the ticking for good.
            LOG.error("a round of progress ended early", e);
        }
    }

    /** Writes what is due. A resource whose write fails does not hold up the others. */
    void round() {
        // Copied, since the board changes meanwhile.
        for (Map.Entry<ResourceID, ProgressBoard.Entry> next :
                Set.copyOf(board.entries().entrySet())) {
            consider(next.getKey(), next.getValue());
        }
    }

    private void consider(ResourceID id, ProgressBoard.Entry entry) {
        Instant now = clock.instant();
        Writes writes = lastWrites.getOrDefault(id, Writes.NONE);
        if (entry.written()) {
            if (writes.last.plus(FORGET_AFTER).isBefore(now)) {
                forget(id, entry);
            }
            return;
        }
        LoraTraining resource = board.resource(id).orElse(null);
        if (resource == null
                || !entry.uid().equals(resource.getMetadata().getUid())
                || ProgressBoard.isOver(resource.getStatus(), entry.sender(), entry.message())) {
            forget(id, entry);
        } else if (entry.urgent() && passed(writes.urgent, LEAST_URGENT_INTERVAL, now) && bucket.takeInAdvance(now)) {
            lastWrites.put(id, new Writes(now, now));
            write(id, resource, entry);
        } else if (passed(writes.last, LEAST_INTERVAL, now) && bucket.take(now)) {
            lastWrites.put(id, new Writes(now, writes.urgent));
            write(id, resource, entry);
        }
    }

    private static boolean passed(Instant since, Duration interval, Instant now) {
        return !since.plus(interval).isAfter(now);
    }

    private void forget(ResourceID id, ProgressBoard.Entry entry) {
        board.forget(id, entry);
        lastWrites.remove(id);
    }

    private void write(ResourceID id, LoraTraining resource, ProgressBoard.Entry entry) {
        try {
            client.resources(LoraTraining.class)
                    .inNamespace(resource.getMetadata().getNamespace())
                    // By the object: by its name, Fabric8 would read it first.
                    .resource(resource)
                    .subresource("status")
                    .patch(PatchContext.of(PatchType.JSON_MERGE), patch(resource, entry.sender(), entry.message()));
            board.written(id, entry);
        } catch (RuntimeException e) {
            failed(id, entry, e);
        }
    }

    private void failed(ResourceID id, ProgressBoard.Entry entry, RuntimeException e) {
        int code = e instanceof KubernetesClientException refusal ? refusal.getCode() : 0;
        boolean gone = code == HttpURLConnection.HTTP_NOT_FOUND;
        // Written by someone else meanwhile, so the report may be over: the next turn sees what is then known.
        boolean outdated = code == HttpURLConnection.HTTP_CONFLICT;
        if (!gone && !outdated) {
            LOG.warn(
                    "{}/{}: progress could not be written: {}",
                    id.getNamespace().orElse(""),
                    id.getName(),
                    e.getMessage());
        }
        if (gone || code == UNPROCESSABLE) {
            forget(id, entry);
        } else {
            board.postpone(id, entry);
        }
    }

    /**
     * Holds only for the resource as it is known here: the API server refuses it with 409 once anything else was
     * written, so that no late report overwrites the end of its attempt. A field that is unset is null, so that the
     * patch removes it; a loss stays when later stages report none.
     */
    static String patch(LoraTraining resource, ProgressBoard.Sender sender, ProgressMessage message) {
        Progress progress = StageProgress.reported(message, sender.created());
        ObjectNode node = Json.MAPPER.valueToTree(progress);
        if (progress.estimatedRemainingSeconds() == null) {
            node.putNull("estimatedRemainingSeconds").putNull("remaining");
        }
        ObjectNode patch = Json.MAPPER.createObjectNode();
        patch.putObject("metadata")
                .put("uid", resource.getMetadata().getUid())
                .put("resourceVersion", resource.getMetadata().getResourceVersion());
        ObjectNode status = patch.putObject("status").set("progress", node);
        message.metrics().stream().filter(m -> m.name().equals("loss")).forEach(m -> status.put("loss", m.value()));
        return patch.toString();
    }
}
