package training.lora.trainer.sample;

import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** What the log says of pictures that are drawn: how far they are, now and then where that takes long. */
final class DrawingLog {
    private static final long INTERVAL_NANOS = 30_000_000_000L;

    private final int pictures;
    private final int steps;
    private final LongSupplier nanoTime;
    private long last;

    /**
     * @param pictures how many are drawn
     * @param steps of the sampler, for each
     * @param nanoTime a clock
     */
    DrawingLog(int pictures, int steps, LongSupplier nanoTime) {
        this.pictures = pictures;
        this.steps = steps;
        this.nanoTime = nanoTime;
        this.last = nanoTime.getAsLong();
    }

    /**
     * What to say after a step.
     *
     * @param drawn pictures that are done
     * @param step steps done of the next
     * @return a phrase; null if the one before it is not long ago
     */
    @Nullable String step(int drawn, int step) {
        long now = nanoTime.getAsLong();
        if (now - last < INTERVAL_NANOS) {
            return null;
        }
        last = now;
        return "drew %d of %d pictures, and %d of %d steps of the next".formatted(drawn, pictures, step, steps);
    }
}
