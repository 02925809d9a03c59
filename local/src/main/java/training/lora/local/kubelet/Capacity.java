package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import java.math.BigDecimal;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the machine has for pods. A container that asks for no CPU counts as if it asked for all of them: a trainer takes
 * every core it finds, and two that share cores slow each other down by far more than half.
 */
record Capacity(Map<String, BigDecimal> has) {
    static Capacity of(KubeletConfig config) {
        return new Capacity(
                Map.of("cpu", BigDecimal.valueOf(config.cpus()), "memory", BigDecimal.valueOf(config.memoryBytes())));
    }

    /** Why {@code pod} can't run beside {@code running}, in a scheduler's words; null if it can. */
    @Nullable String lack(Pod pod, Collection<Pod> running) {
        Map<String, BigDecimal> used = new HashMap<>();
        running.forEach(p -> requests(p).forEach((name, n) -> used.merge(name, n, BigDecimal::add)));
        for (Map.Entry<String, BigDecimal> wanted : requests(pod).entrySet()) {
            BigDecimal left = has.getOrDefault(wanted.getKey(), BigDecimal.ZERO)
                    .subtract(used.getOrDefault(wanted.getKey(), BigDecimal.ZERO));
            if (wanted.getValue().compareTo(left) > 0) {
                return "0/1 nodes are available: 1 Insufficient " + wanted.getKey() + " (asked for "
                        + wanted.getValue().toPlainString() + ", "
                        + left.max(BigDecimal.ZERO).toPlainString() + " left)";
            }
        }
        return null;
    }

    private Map<String, BigDecimal> requests(Pod pod) {
        Map<String, BigDecimal> requests = new HashMap<>();
        for (Container container : pod.getSpec().getContainers()) {
            Map<String, Quantity> own = new HashMap<>();
            if (container.getResources() != null) {
                // As in Kubernetes a limit is also the request where there is no other.
                if (container.getResources().getLimits() != null) {
                    own.putAll(container.getResources().getLimits());
                }
                if (container.getResources().getRequests() != null) {
                    own.putAll(container.getResources().getRequests());
                }
            }
            // What a pod writes beside its volumes is not counted, as a claim's size isn't.
            own.remove("ephemeral-storage");
            own.forEach((name, n) -> requests.merge(name, n.getNumericalAmount(), BigDecimal::add));
            if (!own.containsKey("cpu")) {
                requests.merge("cpu", has.getOrDefault("cpu", BigDecimal.ZERO), BigDecimal::max);
            }
        }
        return requests;
    }
}
