package training.lora.local.kubelet;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.authentication.TokenRequest;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes a pod's projected token, and a new one when four fifths of its time are over. */
final class TokenFiles implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(TokenFiles.class);
    private static final long DEFAULT_SECONDS = 3600;
    private static final long RETRY_SECONDS = 10;

    private final KubernetesClient client;
    private final Pod pod;
    private final PodRoot.Token token;
    private final ScheduledExecutorService clock;
    private volatile ScheduledFuture<?> next;

    /** Writes the first one at once. */
    TokenFiles(KubernetesClient client, Pod pod, PodRoot.Token token, ScheduledExecutorService clock)
            throws IOException {
        this.client = client;
        this.pod = pod;
        this.token = token;
        this.clock = clock;
        next = later(write());
    }

    private ScheduledFuture<?> later(long seconds) {
        return clock.schedule(this::renew, seconds, TimeUnit.SECONDS);
    }

    private void renew() {
        long wait = RETRY_SECONDS;
        try {
            wait = write();
        } catch (IOException | RuntimeException e) {
            LOG.warn(
                    "the token of pod {} was not renewed: {}", pod.getMetadata().getName(), e.getMessage());
        }
        next = later(wait);
    }

    /** Writes a token under a temporary name and renames it; returns the seconds until the next one is due. */
    private long write() throws IOException {
        TokenRequest granted = client.serviceAccounts()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(Objects.requireNonNullElse(pod.getSpec().getServiceAccountName(), "default"))
                .tokenRequest(new TokenRequestBuilder()
                        .withNewSpec()
                        .withAudiences(token.source().getAudience())
                        .withExpirationSeconds(
                                Objects.requireNonNullElse(token.source().getExpirationSeconds(), DEFAULT_SECONDS))
                        .withNewBoundObjectRef()
                        .withApiVersion("v1")
                        .withKind("Pod")
                        .withName(pod.getMetadata().getName())
                        .withUid(pod.getMetadata().getUid())
                        .endBoundObjectRef()
                        .endSpec()
                        .build());
        Path temporary = token.file().resolveSibling(token.file().getFileName() + ".new");
        Files.deleteIfExists(temporary);
        Files.createFile(temporary, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(temporary, granted.getStatus().getToken());
        Files.move(temporary, token.file(), StandardCopyOption.ATOMIC_MOVE);
        Instant end = Instant.parse(granted.getStatus().getExpirationTimestamp());
        return Math.max(1, Duration.between(Instant.now(), end).toSeconds() * 4 / 5);
    }

    @Override
    public void close() {
        next.cancel(false);
    }
}
