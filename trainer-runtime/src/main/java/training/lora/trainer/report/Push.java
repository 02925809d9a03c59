package training.lora.trainer.report;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.CaFile;
import training.lora.api.Json;
import training.lora.api.ProgressMessage;

/**
 * Posts messages to the operator from a thread of its own. The newest message wins and the last of a stage is sent before
 * the end; one that was overtaken is lost, a checkpoint's too, since the result holds them all. Nothing that goes wrong
 * here hurts the run.
 */
public final class Push implements Consumer<ProgressMessage>, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Push.class);

    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    private static final long COMPLAINT_INTERVAL_NANOS = 60_000_000_000L;

    private final URI url;
    private final Path tokenFile;
    private final HttpClient client;
    private final Thread thread = new Thread(this::loop, "progress");
    private @Nullable ProgressMessage next;
    private boolean closed;
    private long intervalMillis = 1000;
    private long lastComplaint = Long.MIN_VALUE / 2;

    /**
     * @param tokenFile holds the bearer token; read anew for each post, because it is renewed
     * @param authorities whom to trust, as PEM, read anew for each connection; null: whom the JVM trusts
     */
    public Push(URI url, Path tokenFile, @Nullable Path authorities) {
        this.url = url;
        this.tokenFile = tokenFile;
        HttpClient.Builder builder = HttpClient.newBuilder().connectTimeout(TIMEOUT);
        if (authorities != null) {
            builder.sslContext(CaFile.context(authorities));
        }
        client = builder.build();
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public synchronized void accept(ProgressMessage message) {
        next = message;
        notifyAll();
    }

    private void loop() {
        try {
            for (ProgressMessage message = take(); message != null; message = take()) {
                post(message);
                pause();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized @Nullable ProgressMessage take() throws InterruptedException {
        while (next == null && !closed) {
            wait();
        }
        ProgressMessage message = next;
        next = null;
        return message;
    }

    private synchronized void pause() throws InterruptedException {
        long until = System.nanoTime() + intervalMillis * 1_000_000;
        for (long left = intervalMillis; left > 0 && !closed; left = (until - System.nanoTime()) / 1_000_000) {
            wait(left);
        }
    }

    private void post(ProgressMessage message) throws InterruptedException {
        try {
            HttpRequest request = HttpRequest.newBuilder(url)
                    .timeout(TIMEOUT)
                    .header(
                            "Authorization",
                            "Bearer " + Files.readString(tokenFile).strip())
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(Json.MAPPER.writeValueAsString(message)))
                    .build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() == 200) {
                intervalMillis = 1000L
                        * Math.max(
                                1,
                                Json.MAPPER
                                        .readTree(response.body())
                                        .path("nextReportSeconds")
                                        .asInt(2));
            } else {
                complain("the operator answered " + response.statusCode());
            }
        } catch (IOException e) {
            complain(e.toString());
        }
    }

    private void complain(String what) {
        if (System.nanoTime() - lastComplaint > COMPLAINT_INTERVAL_NANOS) {
            lastComplaint = System.nanoTime();
            LOG.warn("progress could not be reported, the run goes on: {}", what);
        }
    }

    /** Sends what is left, for a few seconds at most. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            thread.join(TIMEOUT.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
