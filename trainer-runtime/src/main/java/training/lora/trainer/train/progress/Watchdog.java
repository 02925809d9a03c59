package training.lora.trainer.train.progress;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import training.lora.api.Metric;
import training.lora.api.WatchdogSpec;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.trained.LossLog;

/**
 * Tells when a training goes wrong, from numbers that are read anyway. What it says of a step depends on that step and
 * those before it alone, not on when it was asked, so that an interrupted run is judged as an uninterrupted one.
 */
public final class Watchdog {
    /** Half an order of magnitude: two rollbacks make a tenth. */
    static final double LEARNING_RATE_FACTOR = 0.3;

    /** Steps over which a loss is averaged; with pictures one by one their mean varies by a quarter. */
    public static final int WINDOW = 16;

    /** A mean loss of so many times the base model's is divergence: the adapter does worse than none. */
    static final double DIVERGED = 4;

    /**
     * What an adapter adds to the weights has collapsed at this share of its greatest norm. A new adapter adds nothing at
     * first, from which it can't fall; one that goes on from a file can from the beginning.
     */
    static final double COLLAPSED = 0.1;

    private final boolean enabled;

    /** What is wrong at a step, as the end of a sentence. */
    public record Alarm(int step, String what) {}

    Watchdog(WatchdogSpec settings) {
        this.enabled = settings.enabled();
    }

    /**
     * Looks at the losses of {@code more} steps after those of {@code past}; null if all is well. How high losses are
     * depends on what was drawn: samples have weights, and timesteps differ by orders of magnitude. Losses that are high
     * for the training's batches are therefore held against the base model's on the very batches that they are of.
     *
     * @param begin the loss on batches drawn as in training, before the first step; null where it isn't enabled
     * @param base the base model's loss on the batches of a step; asked only where losses are high; null
     *     where that model is there no more, and {@code begin} is all there is to compare with
     */
    @Nullable Alarm losses(
            List<LossLog.Line> past,
            List<LossLog.Line> more,
            @Nullable Double begin,
            @Nullable IntToDoubleFunction base) {
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
            if (enabled && begin != null && lines.size() >= WINDOW) {
                List<LossLog.Line> window = lines.subList(lines.size() - WINDOW, lines.size());
                double mean = mean(window, LossLog.Line::loss);
                if (mean > DIVERGED * begin) {
                    double same = base == null ? begin : mean(window, l -> base.applyAsDouble(l.step()));
                    if (mean > DIVERGED * same) {
                        return new Alarm(
                                line.step(),
                                String.format(
                                        Locale.ROOT,
                                        "the mean loss of %d steps was %.4g, over %.0f times the base model's %.4g %s",
                                        WINDOW,
                                        mean,
                                        DIVERGED,
                                        same,
                                        base == null ? "before the first step" : "on the same batches"));
                    }
                }
            }
        }
        return null;
    }

    private static double mean(List<LossLog.Line> lines, ToDoubleFunction<LossLog.Line> value) {
        return lines.stream().mapToDouble(value).average().orElseThrow();
    }

    /**
     * Looks at the norms of what the adapter adds to the weights of the model's parts; null if all is well.
     *
     * @param greatest the greatest before, where there was any
     */
    @Nullable Alarm norms(int step, Map<Component, Double> norms, Map<Component, Double> greatest) {
        for (Map.Entry<Component, Double> entry : norms.entrySet()) {
            double norm = entry.getValue();
            if (!Double.isFinite(norm)) {
                return new Alarm(step, "the norm of what is trained in %s was %s".formatted(entry.getKey(), norm));
            }
            double before = greatest.getOrDefault(entry.getKey(), 0.0);
            if (enabled && norm < COLLAPSED * before) {
                return new Alarm(
                        step,
                        String.format(
                                Locale.ROOT,
                                "the norm of what is trained in %s fell to %.4g from %.4g",
                                entry.getKey(),
                                norm,
                                before));
            }
        }
        return null;
    }
}
