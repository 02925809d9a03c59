package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.TrainingSpec;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.progress.Watchdog;

/**
 * Losses on the run's own batches without training on them: with the weights, timesteps, captions and noise that its steps
 * draw. A batch is a function of its number, so that it can be drawn again at any time.
 */
final class DrawnLosses {
    private static final Logger LOG = LoggerFactory.getLogger(DrawnLosses.class);

    /** Samples at least that tell how high losses are before the first step. */
    private static final int SAMPLES = 16;

    private final BatchSource batches;
    private final TrainingStep step;
    private final int batchSize;
    private final int parts;
    private final BooleanSupplier stopping;
    private final NDManager manager;

    /** Base losses of the newest steps, each of which is asked for as often as there are steps in the watchdog's window. */
    private final Map<Integer, Double> measured = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Integer, Double> eldest) {
            return size() > Watchdog.WINDOW;
        }
    };

    /** @param stopping asked before each batch whether to give up what is measured before the first step */
    DrawnLosses(
            BatchSource batches,
            TrainingStep step,
            TrainingSpec training,
            BooleanSupplier stopping,
            NDManager manager) {
        this.batches = batches;
        this.step = step;
        this.batchSize = training.batchSize();
        this.parts = training.gradientAccumulation();
        this.stopping = stopping;
        this.manager = manager;
    }

    /** Mean over the run's first batches under the adapter as it is; null if it was given up. */
    @Nullable Double begin() {
        LOG.info("measuring the loss over {} samples that are drawn as in training", SAMPLES);
        double sum = 0;
        double whole = 0;
        int samples = 0;
        for (int i = 0; samples < SAMPLES; i++) {
            if (stopping.getAsBoolean()) {
                return null;
            }
            double share = share(i);
            sum += share * loss(i, step::loss);
            whole += share;
            samples += batches.size(i);
        }
        return sum / whole;
    }

    /**
     * The base model's loss on the batches of the {@code k}th step, from 1. It is measured even when the run is asked to
     * stop: steps that were not judged can't be saved, and would be lost.
     */
    double base(int k) {
        Double known = measured.get(k);
        if (known == null) {
            double sum = 0;
            double whole = 0;
            for (int i = 0; i < parts; i++) {
                long batch = (long) (k - 1) * parts + i;
                sum += share(batch) * loss(batch, (b, scope) -> Objects.requireNonNull(step.baseLoss(b, scope)));
                whole += share(batch);
            }
            known = sum / whole;
            measured.put(k, known);
        }
        return known;
    }

    /** What a batch counts beside a full one. */
    private double share(long batch) {
        return (double) batches.size(batch) / batchSize;
    }

    private double loss(long batch, BiFunction<Batch, NDManager, NDArray> loss) {
        try (NDManager scope = manager.newSubManager()) {
            return loss.apply(batches.measured(batch, scope), scope).getFloat();
        }
    }
}
