package training.lora.trainer.source;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How often something is tried again, and after how long: doubling waits, or what the server asks for. */
final class Tries {
    private static final Logger LOG = LoggerFactory.getLogger(Tries.class);

    /** In a row, without a byte of progress. */
    static final int MOST = 6;

    private static final Duration FIRST = Duration.ofMillis(500);

    private static final Duration LONGEST = Duration.ofSeconds(30);

    /** A server that asks for more is asked again by another attempt. */
    static final Duration LONGEST_ASKED = Duration.ofMinutes(2);

    private static final Duration SLICE = Duration.ofMillis(100);

    private final Surroundings surroundings;
    private final Sleeper sleeper;

    /** Waits. */
    interface Sleeper {
        void sleep(Duration duration) throws InterruptedException;
    }

    Tries(Surroundings surroundings) {
        this(surroundings, duration -> TimeUnit.MILLISECONDS.sleep(duration.toMillis()));
    }

    Tries(Surroundings surroundings, Sleeper sleeper) {
        this.surroundings = surroundings;
        this.sleeper = sleeper;
    }

    /** Something that may fail. */
    interface Attempt<T> {
        T run() throws IOException;
    }

    <T> T run(Source source, String what, Attempt<T> attempt) throws IOException {
        for (int failures = 1; ; failures++) {
            surroundings.stopIfAsked("while it asked for " + what);
            try {
                return attempt.run();
            } catch (TransientException e) {
                failed(source, what, failures, e);
            }
        }
    }

    /**
     * Waits before the next try.
     *
     * @param failures how many there were in a row
     * @throws training.lora.trainer.TrainerException SourceUnreachable if there were too many, or the server asks for too long
     */
    void failed(Source source, String what, int failures, TransientException e) {
        surroundings.stopIfAsked("while it fetched " + what);
        Duration asked = e.waitFor();
        if (asked != null && asked.compareTo(LONGEST_ASKED) > 0) {
            throw source.unreachable(
                    "must be reachable, but %s, and asks to be left alone for %d seconds"
                            .formatted(e.getMessage(), asked.toSeconds()),
                    e);
        }
        if (failures >= MOST) {
            throw source.unreachable(
                    "must be reachable, but %s, at the last of %d tries".formatted(e.getMessage(), MOST), e);
        }
        Duration wait = asked != null ? asked : backOff(failures);
        LOG.warn("{}: {} {}; the next try is in {} s", source.field(), what, e.getMessage(), wait.toMillis() / 1000.0);
        pause(wait, what);
    }

    private static Duration backOff(int failures) {
        Duration wait = FIRST.multipliedBy(1L << Math.min(20, Math.max(0, failures - 1)));
        return wait.compareTo(LONGEST) > 0 ? LONGEST : wait;
    }

    private void pause(Duration wait, String what) {
        try {
            for (Duration left = wait; !left.isZero() && !left.isNegative(); left = left.minus(SLICE)) {
                sleeper.sleep(left.compareTo(SLICE) < 0 ? left : SLICE);
                surroundings.stopIfAsked("while it fetched " + what);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("nobody waits for %s any more".formatted(what));
        }
    }
}
