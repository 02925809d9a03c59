package training.lora.operator.tls;

import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.operator.OperatorConfig;
import training.lora.operator.OperatorUrl;
import training.lora.operator.plan.Backoff;
import training.lora.operator.plan.Names;

/**
 * Keeps this replica's certificate up to date with the Secret that all replicas share, and the Secret with the clock.
 * Whichever replica writes first is right: the others' writes are refused with 409, and they read again.
 */
@Singleton
public final class TlsKeeper implements Trust {
    private static final Logger LOG = LoggerFactory.getLogger(TlsKeeper.class);

    private static final Duration MOST_WAIT = Duration.ofSeconds(30);
    private static final int TRIES = 5;

    private final KubernetesClient client;
    private final @Nullable String secret;
    private final @Nullable String namespace;
    /** Null: somebody else makes the certificates. */
    private final @Nullable Rotation rotation;

    private final Authorities authorities;
    private final Duration wait;
    private final Clock clock;
    private final CurrentKey key = new CurrentKey();
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread daemon = new Thread(task, "certificate");
        daemon.setDaemon(true);
        return daemon;
    });
    private @Nullable TlsState state;
    /** Of rounds in a row; of the one thread that does them. */
    private int failures;

    @Inject
    TlsKeeper(KubernetesClient client, OperatorConfig config) {
        this(client, config, Clock.systemUTC());
    }

    TlsKeeper(KubernetesClient client, OperatorConfig config, Clock clock) {
        OperatorConfig.Tls tls = config.tls();
        this.client = client;
        this.secret = tls.secret().orElse(null);
        this.namespace = tls.namespace().orElse(client.getNamespace());
        this.rotation = secret != null && tls.manage()
                ? new Rotation(OperatorUrl.hosts(config), tls.life(), tls.renewBefore(), tls.overlap())
                : null;
        this.authorities = new Authorities(
                client,
                tls.configMap(),
                rotation == null,
                new CaBundle(config.sources().caBundle().orElse(null), clock),
                clock);
        Duration tenth = tls.overlap().dividedBy(10);
        this.wait = tenth.compareTo(MOST_WAIT) < 0 ? tenth : MOST_WAIT;
        this.clock = clock;
    }

    void start(@Observes StartupEvent event) {
        if (secret != null) {
            // Here too, for `helm test` and whoever reads metrics.
            remember(Objects.requireNonNull(namespace));
            thread.execute(this::tick);
        }
    }

    void stop(@Observes ShutdownEvent event) {
        thread.shutdownNow();
    }

    CurrentKey key() {
        return key;
    }

    /** Whether trainers can report. */
    boolean ready() {
        return secret == null || key.known();
    }

    /** When the certificate that is served ends. */
    public synchronized Optional<Instant> expiry() {
        return Optional.ofNullable(state)
                .map(now -> now.current().certificate().getNotAfter().toInstant());
    }

    @Override
    public String configMap() {
        return authorities.name();
    }

    @Override
    public void ensure(String ofTrainings) {
        if (secret != null) {
            authorities.ensure(ofTrainings, state().authorities());
        }
    }

    /** Keeps the namespace's pods up to date with the certificate, without doing so at once. */
    public void remember(String ofTrainings) {
        if (secret != null) {
            authorities.remember(ofTrainings);
        }
    }

    private void tick() {
        Duration next = round();
        if (!thread.isShutdown()) {
            thread.schedule(this::tick, next.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    /** Checks the certificate and tells the namespaces, the one whatever the other does; returns when to do so again. */
    Duration round() {
        Duration retry = Backoff.REQUESTS.after(failures + 1);
        boolean checked = attempt("be checked", this::check, retry);
        TlsState known = known();
        boolean told =
                known == null || attempt("be told to pods", () -> authorities.refresh(known.authorities()), retry);
        failures = checked && told ? 0 : failures + 1;
        return failures == 0 ? wait : retry;
    }

    /** An exception that left the round would end the checks for good. */
    private boolean attempt(String what, Runnable step, Duration retry) {
        try {
            step.run();
            return true;
        } catch (RuntimeException e) {
            LOG.error(
                    "the certificate in Secret {}/{} could not {}: {}; tried again in {} s",
                    namespace,
                    secret,
                    what,
                    e.getMessage(),
                    retry.toSeconds());
            return false;
        }
    }

    private synchronized @Nullable TlsState known() {
        return state;
    }

    /** The certificate is the operator's to mend, not the trainings'. */
    private synchronized TlsState state() {
        if (state == null) {
            try {
                check();
            } catch (KubernetesClientException e) {
                throw new IllegalStateException(
                        "the operator's certificate in Secret %s/%s can't be read".formatted(namespace, secret), e);
            }
        }
        return Objects.requireNonNull(state);
    }

    /** Reads the Secret, writes what is due and serves what it says. */
    synchronized void check() {
        for (int i = 0; i < TRIES; i++) {
            Secret there =
                    client.secrets().inNamespace(namespace).withName(secret).get();
            TlsState known = TlsState.of(there == null ? null : there.getData());
            if (rotation == null) {
                take(required(known));
                return;
            }
            TlsState due = rotation.step(known, clock.instant());
            if (due.equals(known) || write(there, due)) {
                take(due);
                return;
            }
        }
        throw new IllegalStateException("other replicas wrote it each time that this one tried");
    }

    private TlsState required(@Nullable TlsState known) {
        if (known == null) {
            throw new IllegalStateException("it must have tls.crt, tls.key and ca.crt");
        }
        return known;
    }

    /** False: another replica was faster. */
    private boolean write(@Nullable Secret there, TlsState due) {
        try {
            if (there == null) {
                client.secrets().resource(secret(due)).create();
            } else {
                // With its resourceVersion.
                client.secrets()
                        .resource(new SecretBuilder(there).withData(due.data()).build())
                        .update();
            }
            return true;
        } catch (KubernetesClientException e) {
            if (e.getCode() == HttpURLConnection.HTTP_CONFLICT) {
                return false;
            }
            throw e;
        }
    }

    private Secret secret(TlsState due) {
        return new SecretBuilder()
                .withNewMetadata()
                .withName(secret)
                .withNamespace(namespace)
                .addToLabels(Names.MANAGED_BY, Names.OPERATOR)
                .endMetadata()
                .withType("Opaque")
                .withData(due.data())
                .build();
    }

    private void take(TlsState now) {
        TlsState before = state;
        if (now.equals(before)) {
            return;
        }
        if (before == null || !now.current().equals(before.current())) {
            key.serve(now.current());
            LOG.info(
                    "serves {}, valid until {}",
                    now.current(),
                    now.current().certificate().getNotAfter().toInstant());
        }
        state = now;
    }
}
