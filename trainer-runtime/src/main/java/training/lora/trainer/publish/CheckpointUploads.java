package training.lora.trainer.publish;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Checkpoint;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.run.Workspace;

/**
 * Brings checkpoints to where {@code spec.output.uri} wants them while the training goes on, from a thread of its own. The
 * newest set wins. What fails is tried again until the end: no fault of a bucket or volume ends a training, since what
 * it needs is in the workspace. When the training has ended, the {@link Publisher} uploads what is missing, and that may fail.
 */
public final class CheckpointUploads implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(CheckpointUploads.class);

    private static final Duration FIRST_DELAY = Duration.ofSeconds(5);

    private static final Duration LONGEST_DELAY = Duration.ofMinutes(5);

    /** For what is being sent when the training ends or is asked to stop. */
    private static final Duration END = Duration.ofSeconds(20);

    private final @Nullable Output output;
    private final Path checkpoints;
    private final Duration firstDelay;
    private final Thread thread = new Thread(this::loop, "uploads");
    private @Nullable List<Checkpoint> wanted;
    private boolean closed;
    private boolean waits;

    private CheckpointUploads(@Nullable Output output, Path checkpoints, Duration firstDelay) {
        this.output = output;
        this.checkpoints = checkpoints;
        this.firstDelay = firstDelay;
    }

    /**
     * Begins, where the spec wants the output elsewhere.
     *
     * @param checkpoints the folder that holds a folder for each checkpoint
     */
    public static CheckpointUploads of(RunSpec run, Workspace workspace, Path checkpoints) {
        Output output = workspace.destination() == null ? null : Output.published(run.owner(), workspace);
        return begin(output, checkpoints, FIRST_DELAY);
    }

    /** @param firstDelay before it is tried again, doubled each time */
    static CheckpointUploads begin(@Nullable Output output, Path checkpoints, Duration firstDelay) {
        CheckpointUploads uploads = new CheckpointUploads(output, checkpoints, firstDelay);
        if (output != null) {
            uploads.thread.setDaemon(true);
            uploads.thread.start();
        }
        return uploads;
    }

    /** Those that are kept now, each of them whole in its folder. */
    public synchronized void keep(List<Checkpoint> kept) {
        if (output != null) {
            wanted = List.copyOf(kept);
            notifyAll();
        }
    }

    private void loop() {
        try {
            Duration delay = firstDelay;
            for (List<Checkpoint> next = take(); next != null; next = take()) {
                if (upload(next)) {
                    delay = firstDelay;
                } else {
                    again(next, delay);
                    delay = delay.multipliedBy(2).compareTo(LONGEST_DELAY) < 0 ? delay.multipliedBy(2) : LONGEST_DELAY;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized @Nullable List<Checkpoint> take() throws InterruptedException {
        while (wanted == null && !closed) {
            wait();
        }
        List<Checkpoint> next = closed ? null : wanted;
        wanted = null;
        return next;
    }

    /** Waits, and wants the same again unless there are newer ones by then. */
    private synchronized void again(List<Checkpoint> failed, Duration delay) throws InterruptedException {
        long until = System.nanoTime() + delay.toNanos();
        for (long left = delay.toNanos(); left > 0 && !closed; left = until - System.nanoTime()) {
            wait(Math.max(1, left / 1_000_000));
        }
        if (wanted == null) {
            wanted = failed;
        }
    }

    private boolean upload(List<Checkpoint> kept) {
        try {
            Map<String, Path> files = new TreeMap<>();
            for (Checkpoint checkpoint : kept) {
                files.putAll(Publisher.checkpoint(checkpoints, checkpoint.step()));
            }
            if (output != null && !output.replaceCheckpoints(files) && !waits) {
                waits = true;
                LOG.info("a result stands in the output: it stays whole until the new one is trained");
            }
            return true;
        } catch (NoSuchFileException e) {
            // One that is no longer kept; those that are come next.
            LOG.debug("a checkpoint is gone", e);
            return true;
        } catch (TrainerException e) {
            LOG.warn(
                    "checkpoints could not be written to the output, the training goes on{}: {}",
                    e.reason() == Reason.OutputOwned ? " and will end with this" : "",
                    e.getMessage());
            return false;
        } catch (IOException | RuntimeException e) {
            LOG.warn("checkpoints could not be written to the output, the training goes on: {}", e.toString());
            LOG.debug("why", e);
            return false;
        }
    }

    /** Ends it, after what is being sent or a few seconds; may be called twice. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        try {
            thread.join(END.toMillis());
            if (thread.isAlive()) {
                thread.interrupt();
                thread.join(END.toMillis());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
