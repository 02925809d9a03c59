package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import training.lora.api.BaseWeights;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.UNets;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.run.Neighbours;

/**
 * Runs that take turns, each in a thread of its own of which one goes on at a time, and have one denoiser. What a run computes is
 * to the last bit what it computes alone.
 */
final class Turns implements Neighbours, AutoCloseable {
    /** Fair: who has waited longest is next. */
    private final ReentrantLock turn = new ReentrantLock(true);

    private final NDManager manager;
    private final Path digests;
    private final Map<BaseWeights, UNet> unets = new EnumMap<>(BaseWeights.class);
    private @Nullable String base;

    /**
     * @param root that the denoiser belongs to
     * @param digests the file that remembers digests for all
     */
    Turns(NDManager root, Path digests) {
        manager = root.newSubManager();
        this.digests = digests;
    }

    /** Starts threads that each begin with {@link #begin}, in whose order turns go on. */
    void start(List<Thread> threads) throws InterruptedException {
        turn.lock();
        try {
            for (Thread thread : threads) {
                thread.start();
                while (thread.isAlive() && !turn.hasQueuedThread(thread)) {
                    Thread.sleep(1);
                }
            }
        } finally {
            turn.unlock();
        }
    }

    /** Begins this thread's first turn when it comes. */
    void begin() {
        turn.lock();
    }

    /** Ends this thread's last one. */
    void end() {
        turn.unlock();
    }

    @Override
    public void takeTurns() {
        turn.unlock();
        turn.lock();
    }

    @Override
    public UNets unets(String wanted) {
        if (base == null) {
            base = wanted;
        } else if (!base.equals(wanted)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.baseModel` and `spec.training.precision` must be those of the first of the trainings that run together, for they have one denoiser");
        }
        return (form, open) -> unets.computeIfAbsent(form, f -> open.apply(manager));
    }

    @Override
    public Path digests() {
        return digests;
    }

    @Override
    public void close() {
        manager.close();
    }
}
