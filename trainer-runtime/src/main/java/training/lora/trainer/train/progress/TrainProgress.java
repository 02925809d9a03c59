package training.lora.trainer.train.progress;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.Stage;
import training.lora.api.TrainingSpec;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.progress.StageClock.Phase;
import training.lora.trainer.trained.LossLog;

/** Reports how far the training is, and how long the rest takes by the rates of what this process did. */
public final class TrainProgress {
    /** How often losses are read from native memory and reported. */
    private static final long REPORT_NANOS = 1_000_000_000L;

    /** Steps over which the reported loss is averaged. */
    private static final int LOSS_WINDOW = 10;

    private final RunContext context;
    private final TrainingSpec training;
    private final RunLength length;
    private final StageClock clock;
    private final LossLog losses;
    private int steps;
    private int rounds;
    private long last = System.nanoTime();

    public TrainProgress(RunContext context, RunLength length, StageClock clock, LossLog losses) {
        this.context = context;
        this.training = context.run().spec().training();
        this.length = length;
        this.clock = clock;
        this.losses = losses;
    }

    /** A step was made. */
    public void stepped() {
        steps++;
    }

    /** Pictures were drawn. */
    public void drew() {
        rounds++;
    }

    public boolean due() {
        return System.nanoTime() - last >= REPORT_NANOS;
    }

    public void report(int done, @Nullable Checkpoint checkpoint) {
        last = System.nanoTime();
        List<Metric> metrics = new ArrayList<>();
        if (done > 0) {
            LossLog.Line line = losses.lines().get(losses.lines().size() - 1);
            metrics.add(Metric.of("loss", losses.recent(LOSS_WINDOW)));
            // A field such as tokens.deviationWeight would read as what it is set to.
            losses.recentAdded(LOSS_WINDOW)
                    .forEach((field, loss) -> metrics.add(Metric.of("addedLosses." + field, loss)));
            metrics.add(Metric.of("learningRate", line.learningRate()));
            add(metrics, "foundRate", line.foundRate());
            add(metrics, "tokensLearningRate", line.tokensLearningRate());
            add(metrics, "tokensFoundRate", line.tokensFoundRate());
            metrics.add(Metric.of("gradientNorm", line.gradientNorm()));
        }
        if (steps > 0) {
            metrics.add(Metric.of(
                    "imagesPerSecond", training.batchSize() * training.gradientAccumulation() / secondsPerStep()));
        }
        context.report(Stage.Train, done, length.steps(), remainingSeconds(done), metrics, checkpoint);
    }

    private static void add(List<Metric> metrics, String name, @Nullable Double value) {
        if (value != null) {
            metrics.add(Metric.of(name, value));
        }
    }

    /** Mean over this process's steps; 0 before the first. */
    public double secondsPerStep() {
        return steps == 0 ? 0 : clock.seconds(Phase.Steps) / steps;
    }

    /** From the measured rates of steps and of checkpoints with their pictures; null until a step was made. */
    private @Nullable Integer remainingSeconds(int done) {
        if (steps == 0) {
            return null;
        }
        // Those beside it are taken to go on as they do now.
        double left = (length.steps() - done) * (secondsPerStep() + clock.turnSeconds());
        if (rounds > 0 && done < length.steps()) {
            left += new Milestones(length).checkpointsAfter(done)
                    * (clock.seconds(Phase.Samples) + clock.seconds(Phase.Checkpoints))
                    / rounds;
        }
        return (int) Math.ceil(left);
    }
}
