package training.lora.trainer.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import training.lora.api.Metric;
import training.lora.api.WatchdogSpec;

/**
 * Tells when a training goes wrong, from numbers that are read anyway. What it says of a step depends on that step and
 * those before it alone, not on when it was asked, so that an interrupted run is judged as an uninterrupted one.
 */
final class Watchdog {
    /** Half an order of magnitude: two rollbacks make a tenth. */
    static final double LEARNING_RATE_FACTOR = 0.3;

    /** Steps over which a loss is averaged; with pictures one by one their mean varies by a quarter. */
    static final int WINDOW = 16;

    /** A mean loss of so many times the base model's is divergence: the adapter does worse than none. */
    static final double DIVERGED = 4;

    /** An adapter of this share of its greatest norm has collapsed. */
    static final double COLLAPSED = 0.1;

    private final boolean enabled;

    /** What is wrong at a step, as the end of a sentence. */
    record Alarm(int step, String what) {}

    Watchdog(WatchdogSpec settings) {
        this.enabled = settings.enabled();
    }

    /**
     * Looks at the losses of {@code more} steps after those of {@code past}; null if all is well.
     *
     * @param baseLoss the base model's loss
     */
    @Nullable Alarm losses(List<LossLog.Line> past, List<LossLog.Line> more, double baseLoss) {
        List<LossLog.Line> lines = new ArrayList<>(past.subList(Math.max(0, past.size() - WINDOW + 1), past.size()));
        for (LossLog.Line line : more) {
            lines.add(line);
            if (!Double.isFinite(line.loss()) || !Double.isFinite(line.gradientNorm())) {
                return new Alarm(
                        line.step(),
                        "the loss was %s and the gradient's norm %s"
                                .formatted(
                                        Metric.of("", line.loss()).value(),
                                        Metric.of("", line.gradientNorm()).value()));
            }
            if (enabled && lines.size() >= WINDOW) {
                double mean = lines.subList(lines.size() - WINDOW, lines.size()).stream()
                        .mapToDouble(LossLog.Line::loss)
                        .average()
                        .orElseThrow();
                if (mean > DIVERGED * baseLoss) {
                    return new Alarm(
                            line.step(),
                            String.format(
                                    Locale.ROOT,
                                    "the mean loss of %d steps was %.4g, over %.0f times the base model's %.4g",
                                    WINDOW,
                                    mean,
                                    DIVERGED,
                                    baseLoss));
                }
            }
        }
        return null;
    }

    /**
     * Looks at the adapter's norm; null if all is well.
     *
     * @param greatest the greatest before
     */
    @Nullable Alarm norm(int step, double norm, double greatest) {
        if (!Double.isFinite(norm)) {
            return new Alarm(step, "the adapter's norm was " + norm);
        }
        return enabled && norm < COLLAPSED * greatest
                ? new Alarm(
                        step, String.format(Locale.ROOT, "the adapter's norm fell to %.4g from %.4g", norm, greatest))
                : null;
    }
}
