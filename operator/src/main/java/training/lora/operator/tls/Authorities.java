package training.lora.operator.tls;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.operator.plan.Backoff;
import training.lora.operator.plan.Names;

/** The ConfigMaps, one in each namespace with trainings, by which pods know the operator. */
final class Authorities {
    static final String FILE = "ca.crt";

    private static final Logger LOG = LoggerFactory.getLogger(Authorities.class);
    /** One that somebody deleted or changed comes back after this long. */
    private static final Duration AGAIN = Duration.ofMinutes(10);

    private static final int MOST_EARLIER = 4;

    /** An hour at last: who refuses it may do so until the namespace goes. */
    private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(30), Duration.ofHours(1));

    private record Told(String authorities, String bundle, Instant time) {}

    private record Failures(int count, Instant until) {}

    private final KubernetesClient client;
    private final String name;
    private final boolean keepsEarlier;
    private final CaBundle bundle;
    private final Clock clock;
    private final Set<String> remembered = ConcurrentHashMap.newKeySet();
    private final Map<String, Told> told = new ConcurrentHashMap<>();
    /** Of the one thread that refreshes. */
    private final Map<String, Failures> failed = new HashMap<>();

    /**
     * {@code keepsEarlier}: authorities that were told before stay until they expire, for a certificate that somebody
     * else renews without telling its authority first. {@code bundle}: what pods trust besides, for what they fetch.
     */
    Authorities(KubernetesClient client, String name, boolean keepsEarlier, CaBundle bundle, Clock clock) {
        this.client = client;
        this.name = name;
        this.bundle = bundle;
        this.keepsEarlier = keepsEarlier;
        this.clock = clock;
    }

    String name() {
        return name;
    }

    /** Writes it unless that was done before; after this, a pod that mounts it can start. */
    void ensure(String namespace, String authorities) {
        remember(namespace);
        Told before = told.get(namespace);
        String others = bundle.read();
        if (before == null
                || !before.authorities.equals(authorities)
                || !before.bundle.equals(others)
                || before.time.plus(AGAIN).isBefore(clock.instant())) {
            write(namespace, authorities, others);
        }
    }

    /** From now on the namespace is one of those that {@link #refresh} brings up to date. */
    void remember(String namespace) {
        remembered.add(namespace);
    }

    /**
     * Brings all namespaces up to date that were asked for, each whatever happens to the others. One that is gone is
     * forgotten; one that can't be written waits longer each time.
     */
    void refresh(String authorities) {
        for (String namespace : List.copyOf(remembered)) {
            Failures before = failed.get(namespace);
            if (before == null || !clock.instant().isBefore(before.until)) {
                refresh(namespace, authorities, before == null ? 1 : before.count + 1);
            }
        }
    }

    private void refresh(String namespace, String authorities, int next) {
        try {
            ensure(namespace, authorities);
            failed.remove(namespace);
        } catch (KubernetesClientException e) {
            if (isGone(e)) {
                remembered.remove(namespace);
                told.remove(namespace);
                failed.remove(namespace);
                return;
            }
            Duration delay = BACKOFF.after(next);
            failed.put(namespace, new Failures(next, clock.instant().plus(delay)));
            LOG.warn(
                    "ConfigMap {}/{} could not be written: {}; tried again in {} s",
                    namespace,
                    name,
                    e.getMessage(),
                    delay.toSeconds());
        }
    }

    private static boolean isGone(KubernetesClientException e) {
        Status status = e.getStatus();
        return e.getCode() == HttpURLConnection.HTTP_NOT_FOUND
                || (status != null
                        && status.getDetails() != null
                        && status.getDetails().getCauses().stream()
                                .anyMatch(c -> "NamespaceTerminating".equals(c.getReason())));
    }

    private void write(String namespace, String authorities, String others) {
        String known = others.equals(CaBundle.NONE) ? earlier(namespace) : others;
        // One request, whether it is there or not. Nothing else has a say in what it holds.
        client.configMaps()
                .resource(configMap(namespace, keepsEarlier ? withEarlier(namespace, authorities) : authorities, known))
                .fieldManager(Names.OPERATOR)
                .forceConflicts()
                .serverSideApply();
        told.put(namespace, new Told(authorities, others, clock.instant()));
    }

    /** What an operator before this one told, which had better certificates. */
    private String earlier(String namespace) {
        String there = data(namespace).get(CaBundle.FILE);
        return there == null ? CaBundle.NONE : there;
    }

    private Map<String, String> data(String namespace) {
        ConfigMap there =
                client.configMaps().inNamespace(namespace).withName(name).get();
        return there == null || there.getData() == null ? Map.of() : there.getData();
    }

    private ConfigMap configMap(String namespace, String authorities, String others) {
        return new ConfigMapBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace(namespace)
                .addToLabels("app.kubernetes.io/name", "lora-training")
                .addToLabels(Names.MANAGED_BY, Names.OPERATOR)
                .endMetadata()
                .addToData(FILE, authorities)
                .addToData(others.isEmpty() ? Map.of() : Map.of(CaBundle.FILE, others))
                .build();
    }

    private String withEarlier(String namespace, String authorities) {
        String earlier = data(namespace).get(FILE);
        if (earlier == null || earlier.isBlank()) {
            return authorities;
        }
        Set<String> all = new LinkedHashSet<>(blocks(authorities).toList());
        blocks(earlier).filter(this::lives).limit(MOST_EARLIER).forEach(all::add);
        return String.join("", all);
    }

    private boolean lives(String pem) {
        try {
            return Credential.certificates(pem).get(0).getNotAfter().toInstant().isAfter(clock.instant());
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static Stream<String> blocks(String pem) {
        String end = "-----END CERTIFICATE-----";
        return Stream.of(pem.split(end))
                .map(String::strip)
                .filter(b -> b.startsWith("-----BEGIN"))
                .map(b -> b + "\n" + end + "\n");
    }
}
