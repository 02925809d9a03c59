package training.lora.trainer.tensor;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How many threads share an operation on the processor: {@code OMP_NUM_THREADS}, but never more than the processors that this
 * process may use, and as many where it isn't set. OpenMP alone sees all processors of a node, not the share that a container
 * may use; with more threads than that they wait for each other.
 */
public final class Threads {
    static final String WANTED = "OMP_NUM_THREADS";

    /** DJL's own property, read when it loads PyTorch. */
    static final String PROPERTY = "ai.djl.pytorch.num_threads";

    private static final Logger LOG = LoggerFactory.getLogger(Threads.class);

    /** OpenMP's: a number, or one for each level of nested regions, of which only the first counts here. */
    private static final Pattern NUMBERS = Pattern.compile("\\s*(\\d{1,9})\\s*(?:,.*)?");

    private Threads() {}

    /** Tells DJL, unless someone did. */
    static void choose() {
        if (System.getProperty(PROPERTY) == null) {
            System.setProperty(PROPERTY, Integer.toString(count()));
        }
    }

    /** How many. */
    public static int count() {
        return count(System.getenv(WANTED), Runtime.getRuntime().availableProcessors());
    }

    /**
     * @param wanted value of {@link #WANTED}; null where it isn't set. What OpenMP doesn't understand counts as not set, as there
     * @param processors that this process may use
     */
    static int count(@Nullable String wanted, int processors) {
        Matcher number = NUMBERS.matcher(wanted == null ? "" : wanted);
        int threads = number.matches() ? Integer.parseInt(number.group(1)) : 0;
        if (threads > processors) {
            LOG.info(
                    "{} threads instead of {}'s {}: this process may use no more processors",
                    processors,
                    WANTED,
                    threads);
        }
        return threads == 0 ? processors : Math.min(threads, processors);
    }
}
