package training.lora.operator.reconcile;

import io.fabric8.kubernetes.client.KubernetesClientException;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** When a resource is tried again whose reconciliation failed, and the one line that says so. */
final class Setbacks {
    private static final Logger LOG = LoggerFactory.getLogger(Setbacks.class);
    private static final Duration FIRST = Duration.ofSeconds(1);
    private static final Duration LONGEST = Duration.ofMinutes(1);

    private final Map<ResourceID, Integer> failures = new ConcurrentHashMap<>();

    /** Notes a failure; returns the delay before the next try, which doubles with each. */
    Duration after(ResourceID id, RuntimeException e) {
        int count = failures.merge(id, 1, Integer::sum);
        Duration delay = FIRST.multipliedBy(1L << Math.min(count - 1, 6));
        delay = delay.compareTo(LONGEST) > 0 ? LONGEST : delay;
        if (e instanceof KubernetesClientException) {
            LOG.warn("{}: {}; tried again in {} s", name(id), sentence(e), delay.toSeconds());
        } else if (count == 1) {
            // An error in the operator: where it is stands in the log once, not at each try.
            LOG.error("{}: an error in the operator; tried again in {} s", name(id), delay.toSeconds(), e);
        } else {
            LOG.error("{}: {}; tried again in {} s", name(id), e, delay.toSeconds());
        }
        return delay;
    }

    void over(ResourceID id) {
        failures.remove(id);
    }

    static String name(ResourceID id) {
        return id.getNamespace().map(n -> n + "/").orElse("") + id.getName();
    }

    private static String sentence(RuntimeException e) {
        StringBuilder text = new StringBuilder(String.valueOf(e.getMessage()).replaceAll("\\s+", " "));
        Throwable cause = e.getCause();
        if (cause != null && cause.getMessage() != null && text.indexOf(cause.getMessage()) < 0) {
            text.append(": ").append(cause.getMessage());
        }
        return text.toString();
    }
}
