package training.lora.operator;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.javaoperatorsdk.operator.Operator;
import io.javaoperatorsdk.operator.RegisteredController;
import io.javaoperatorsdk.operator.api.reconciler.Constants;
import io.javaoperatorsdk.operator.health.InformerHealthIndicator;
import io.javaoperatorsdk.operator.health.Status;
import io.javaoperatorsdk.operator.processing.event.source.informer.ManagedInformerEventSource;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTraining;

/**
 * Whether the operator hears of what it watches. A namespace that it may not read, since the namespace or the operator's
 * Role in it was deleted, is left alone: the informers try again by themselves, and a restart would only stop the trainings
 * of the others.
 */
@Singleton
class WatchedNamespaces {
    private static final Logger LOG = LoggerFactory.getLogger(WatchedNamespaces.class);
    private static final Duration ASKED_AGAIN = Duration.ofMinutes(1);

    private record Watch(String namespace, Class<? extends HasMetadata> type) {
        @Override
        public String toString() {
            return Constants.WATCH_ALL_NAMESPACES.equals(namespace)
                    ? HasMetadata.getPlural(type) + " of all namespaces"
                    : HasMetadata.getPlural(type) + " of namespace " + namespace;
        }
    }

    /**
     * What the API server said when it was asked for a list.
     *
     * @param problem null: it gave one
     * @param refused whether it refuses to, and does not only fail
     */
    private record Answer(@Nullable String problem, boolean refused, Instant time) {}

    private final Operator operator;
    private final KubernetesClient client;
    private final Clock clock;
    private final Map<Watch, Answer> answers = new HashMap<>();

    @Inject
    WatchedNamespaces(Operator operator, KubernetesClient client) {
        this(operator, client, Clock.systemUTC());
    }

    WatchedNamespaces(Operator operator, KubernetesClient client, Clock clock) {
        this.operator = operator;
        this.client = client;
        this.clock = clock;
    }

    /** Whether there are informers yet. */
    boolean started() {
        return operator.getRuntimeInfo().isStarted();
    }

    /** Whether all is heard of that may be read, and something may. */
    synchronized boolean heard() {
        Set<String> all = new HashSet<>();
        Set<String> refused = new HashSet<>();
        boolean deaf = false;
        for (RegisteredController<?> controller : operator.getRuntimeInfo().getRegisteredControllers()) {
            for (Object source : controller
                    .getControllerHealthInfo()
                    .informerEventSourceHealthIndicators()
                    .values()) {
                ManagedInformerEventSource<?, ?, ?> informers = (ManagedInformerEventSource<?, ?, ?>) source;
                for (InformerHealthIndicator informer :
                        informers.informerHealthIndicators().values()) {
                    Watch watch = new Watch(informer.getTargetNamespace(), informers.resourceType());
                    boolean healthy = informer.getStatus() == Status.HEALTHY;
                    all.add(watch.namespace);
                    if (isRefused(watch, healthy)) {
                        refused.add(watch.namespace);
                    } else {
                        deaf |= !healthy;
                    }
                }
            }
        }
        return !deaf && !refused.containsAll(all);
    }

    private boolean isRefused(Watch watch, boolean healthy) {
        // An informer whose watch is refused takes itself for healthy until it has to list again.
        boolean mayBeRefused =
                watch.type == LoraTraining.class && !watch.namespace.equals(Constants.WATCH_ALL_NAMESPACES);
        Answer before = answers.get(watch);
        if (healthy && before == null && !mayBeRefused) {
            return false;
        }
        boolean known = before != null
                && (healthy || before.refused)
                && clock.instant().isBefore(before.time.plus(ASKED_AGAIN));
        Answer answer = known && before != null ? before : ask(watch);
        answers.put(watch, answer);
        tell(watch, before, answer);
        return answer.refused;
    }

    private Answer ask(Watch watch) {
        try {
            var lists = client.resources(watch.type);
            var options = new ListOptionsBuilder().withLimit(1L).build();
            if (watch.namespace.equals(Constants.WATCH_ALL_NAMESPACES)) {
                lists.inAnyNamespace().list(options);
            } else {
                lists.inNamespace(watch.namespace).list(options);
            }
            return new Answer(null, false, clock.instant());
        } catch (KubernetesClientException e) {
            boolean refused =
                    e.getCode() == HttpURLConnection.HTTP_FORBIDDEN || e.getCode() == HttpURLConnection.HTTP_NOT_FOUND;
            String said = e.getStatus() == null ? e.getMessage() : e.getStatus().getMessage();
            return new Answer(Objects.requireNonNullElse(said, "no reason was given"), refused, clock.instant());
        }
    }

    /** Each change once. */
    private static void tell(Watch watch, @Nullable Answer before, Answer now) {
        boolean had = before != null && before.problem != null;
        if (now.problem == null) {
            if (had) {
                LOG.info("the {} can be read again", watch);
            }
        } else if (!had || (before != null && before.refused != now.refused)) {
            LOG.warn("the {} can't be read, which is tried again: {}", watch, now.problem);
        }
    }
}
