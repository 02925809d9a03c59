package training.lora.operator.reconcile;

import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Backoff;
import training.lora.operator.plan.Names;

/** When a resource is tried again whose reconciliation failed, and the one line that says so. */
final class Setbacks {
    private static final Logger LOG = LoggerFactory.getLogger(Setbacks.class);
    /** Nobody tells that a resource is gone; the ones that failed longest ago are forgotten. */
    private static final int MOST = 10_000;

    private final int most;
    /** By uid: one that is made again under a name has not failed yet. */
    private final Map<String, Integer> failures = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Integer> eldest) {
            return size() > most;
        }
    };

    Setbacks() {
        this(MOST);
    }

    Setbacks(int most) {
        this.most = most;
    }

    /** Notes a failure; returns the delay before the next try, which doubles with each. */
    Duration after(LoraTraining resource, RuntimeException e) {
        String name = Names.path(resource);
        int count = count(resource.getMetadata().getUid());
        Duration delay = Backoff.REQUESTS.after(count);
        if (e instanceof KubernetesClientException || e.getCause() instanceof KubernetesClientException) {
            LOG.warn("{}: {}; tried again in {} s", name, sentence(e), delay.toSeconds());
        } else if (count == 1) {
            // An error in the operator: where it is stands in the log once, not at each try.
            LOG.error("{}: an error in the operator; tried again in {} s", name, delay.toSeconds(), e);
        } else {
            LOG.error("{}: {}; tried again in {} s", name, e, delay.toSeconds());
        }
        return delay;
    }

    private synchronized int count(String uid) {
        return failures.merge(uid, 1, Integer::sum);
    }

    synchronized void over(LoraTraining resource) {
        failures.remove(resource.getMetadata().getUid());
    }

    synchronized int size() {
        return failures.size();
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
