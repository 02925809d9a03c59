package training.lora.operator.tls;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.operator.plan.Names;

/** The ConfigMaps, one in each namespace with trainings, by which pods know the operator. */
final class Authorities {
    static final String FILE = "ca.crt";

    private static final Logger LOG = LoggerFactory.getLogger(Authorities.class);
    /** One that somebody deleted or changed comes back after this long. */
    private static final Duration AGAIN = Duration.ofMinutes(10);

    private static final int MOST_EARLIER = 4;

    private record Told(String authorities, Instant time) {}

    private final KubernetesClient client;
    private final String name;
    private final boolean keepsEarlier;
    private final Clock clock;
    private final Map<String, Told> told = new ConcurrentHashMap<>();

    /**
     * {@code keepsEarlier}: authorities that were told before stay until they expire, for a certificate that somebody
     * else renews without telling its authority first.
     */
    Authorities(KubernetesClient client, String name, boolean keepsEarlier, Clock clock) {
        this.client = client;
        this.name = name;
        this.keepsEarlier = keepsEarlier;
        this.clock = clock;
    }

    /** Writes it unless that was done before; after this, a pod that mounts it can start. */
    void ensure(String namespace, String authorities) {
        Told before = told.get(namespace);
        if (before == null
                || !before.authorities.equals(authorities)
                || before.time.plus(AGAIN).isBefore(clock.instant())) {
            write(namespace, authorities);
        }
    }

    /** Brings all namespaces up to date that have been asked for. One that is gone is forgotten. */
    void refresh(String authorities) {
        for (String namespace : List.copyOf(told.keySet())) {
            try {
                ensure(namespace, authorities);
            } catch (KubernetesClientException e) {
                boolean gone = e.getCode() == HttpURLConnection.HTTP_NOT_FOUND
                        || e.getCode() == HttpURLConnection.HTTP_FORBIDDEN;
                if (gone) {
                    told.remove(namespace);
                }
                LOG.warn("ConfigMap {}/{} could not be written: {}", namespace, name, e.getMessage());
            }
        }
    }

    private void write(String namespace, String authorities) {
        // One request, whether it is there or not. Nothing else has a say in what it holds.
        client.configMaps()
                .resource(configMap(namespace, keepsEarlier ? withEarlier(namespace, authorities) : authorities))
                .fieldManager(Names.OPERATOR)
                .forceConflicts()
                .serverSideApply();
        told.put(namespace, new Told(authorities, clock.instant()));
    }

    private ConfigMap configMap(String namespace, String authorities) {
        return new ConfigMapBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace(namespace)
                .addToLabels("app.kubernetes.io/name", "lora-training")
                .addToLabels(Names.MANAGED_BY, Names.OPERATOR)
                .endMetadata()
                .addToData(FILE, authorities)
                .build();
    }

    private String withEarlier(String namespace, String authorities) {
        ConfigMap there =
                client.configMaps().inNamespace(namespace).withName(name).get();
        String earlier = there == null || there.getData() == null
                ? null
                : there.getData().get(FILE);
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
