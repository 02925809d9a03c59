package training.lora.trainer.run;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.RunSpec;
import training.lora.api.Stage;
import training.lora.trainer.source.Fetcher;
import training.lora.trainer.source.Source;

/** Tells how far a download is: in MiB as steps, and in bytes. */
public final class FetchProgress implements Fetcher.Progress {
    private static final long INTERVAL_NANOS = 1_000_000_000L;

    private static final long STEP = 1 << 20;

    private final RunSpec run;
    private final int attempt;
    private final Consumer<ProgressMessage> sink;
    private final LongSupplier nanos;
    private @Nullable Source current;
    private long begin;
    private long first;
    private long last;

    public FetchProgress(RunSpec run, int attempt, Consumer<ProgressMessage> sink) {
        this(run, attempt, sink, System::nanoTime);
    }

    FetchProgress(RunSpec run, int attempt, Consumer<ProgressMessage> sink, LongSupplier nanos) {
        this.run = run;
        this.attempt = attempt;
        this.sink = sink;
        this.nanos = nanos;
    }

    @Override
    public synchronized void fetched(Source source, long bytes, long total) {
        long now = nanos.getAsLong();
        if (!source.equals(current)) {
            current = source;
            begin = now;
            first = bytes;
        } else if (now - last < INTERVAL_NANOS && bytes != total) {
            return;
        }
        last = now;
        boolean known = total >= 0;
        double rate = (bytes - first) / Math.max(1e-3, (now - begin) / 1e9);
        List<Metric> metrics = known
                ? List.of(
                        new Metric("fetchedBytes", Long.toString(bytes)),
                        new Metric("totalBytes", Long.toString(total)))
                : List.of(new Metric("fetchedBytes", Long.toString(bytes)));
        // Rounded so that the last step is the last byte's.
        int steps = known ? steps(total) : steps(bytes) + 1;
        int step = known ? Math.min(steps(bytes), bytes < total ? steps - 1 : steps) : steps(bytes);
        sink.accept(ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId(run.runId())
                .stage(Stage.Prepare)
                .attempt(attempt)
                .step(Math.max(0, step))
                .steps(steps)
                .time(Instant.now().truncatedTo(ChronoUnit.MILLIS).toString())
                .metrics(metrics)
                .estimatedRemainingSeconds(
                        known && rate > 0 ? (Integer) (int) Math.min(Integer.MAX_VALUE, (total - bytes) / rate) : null)
                .build());
    }

    private static int steps(long bytes) {
        return (int) ((bytes + STEP - 1) / STEP);
    }
}
