package training.lora.trainer.train.progress;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.IntToDoubleFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.train.optimizer.LearningRates;
import training.lora.trainer.train.optimizer.Rates;
import training.lora.trainer.trained.LossLog;
import training.lora.trainer.trained.LossLogLineBuilder;
import training.lora.trainer.trained.Position;
import training.lora.trainer.trained.PositionBeginBuilder;
import training.lora.trainer.trained.StateFiles;
import training.lora.trainer.trained.TrainSummary.Rollback;

/**
 * How far a training has come, in memory and on the disk. It is found again by the next attempt, and is set back when the
 * watchdog says so; either way the steps after it come to the bits that they would have come to.
 */
public final class TrainingState {
    private static final Logger LOG = LoggerFactory.getLogger(TrainingState.class);

    /** Time between states where steps are slow. */
    private static final long STATE_NANOS = 60_000_000_000L;

    /** A model's own state is gigabytes: of the time that passes at most this part is spent on such states. */
    private static final int MODEL_STATE_PART = 20;

    private static final Position.Begin NOTHING = PositionBeginBuilder.builder().build();

    private final RunSpec run;
    private final TrainingSpec training;
    private final RunLength length;
    private final DatasetManifest data;
    private final Path folder;
    private final Trained trained;
    private final LossLog losses;
    private final Checkpoints checkpoints;
    private final Milestones milestones;
    private final LearningRates rates;
    private final StateFiles states;
    private final Watchdog watchdog;
    private final UnfoundRate unfound;
    private Position position;
    private int done;
    private @Nullable Map<Component, Double> norms;
    private long lastState = System.nanoTime();
    private long interval = STATE_NANOS;

    /**
     * @param length of the run
     * @param folder the train stage's
     * @param trained what moves
     */
    public TrainingState(
            RunSpec run,
            RunLength length,
            DatasetManifest data,
            Path folder,
            Trained trained,
            LossLog losses,
            Checkpoints checkpoints) {
        this.run = run;
        this.training = run.spec().training();
        this.length = length;
        this.data = data;
        this.folder = folder;
        this.trained = trained;
        this.losses = losses;
        this.checkpoints = checkpoints;
        this.milestones = new Milestones(length);
        this.rates = new LearningRates(trained.tables(), length.steps());
        this.states =
                new StateFiles(folder, milestones::state, training.checkpoints().keep());
        this.watchdog = new Watchdog(training.watchdog());
        this.unfound = new UnfoundRate(training, rates.middles());
        // Until it is known whether there is a state to go on from.
        this.position = Position.first(run, length.steps(), data, TorchScript.threads(), NOTHING);
    }

    /**
     * Goes on from the newest state; false if there is none.
     *
     * @throws TrainerException InvalidConfiguration if it is of an interrupted run that was another
     */
    public boolean resume() throws IOException {
        try (StateFiles.State state = states.newest(losses::reaches)) {
            if (state == null || !state.position().isOf(run, data.inputs(), InputDigests.SOME_DATA, folder)) {
                return false;
            }
            restore(state);
        }
        LOG.info("going on from step {} of {}", done, length.steps());
        if (position.threads() != TorchScript.threads()) {
            LOG.warn(
                    "{} threads instead of {}: the result may differ in its last bits from an uninterrupted run's",
                    TorchScript.threads(),
                    position.threads());
        }
        return true;
    }

    /** Begins anew: what is there of another run is deleted. */
    public void begin(Position.Begin measured) throws IOException {
        states.clear();
        losses.cut(0);
        checkpoints.restore(List.of());
        position = Position.first(run, length.steps(), data, TorchScript.threads(), measured);
        save();
    }

    private void restore(StateFiles.State state) throws IOException {
        position = state.position();
        done = position.step();
        norms = null;
        trained.restore(state.tensors());
        losses.cut(done);
        checkpoints.restore(position.checkpoints());
        if (atCheckpoint()
                && !checkpointPending()
                && checkpoints.kept().stream().noneMatch(c -> c.step() == done)) {
            // It was damaged, but what it was of is the state's.
            List<Checkpoint> written = position.checkpoints();
            checkpoints.write(done, trained, written.get(written.size() - 1).metrics());
        }
    }

    /** Steps done. */
    public int done() {
        return done;
    }

    /** A step was made. */
    public void stepped() {
        done++;
        norms = null;
    }

    /** The norms of what is trained as it is, which are asked for to judge it and to save it. */
    private Map<Component, Double> norms() {
        if (norms == null) {
            norms = trained.norms();
        }
        return norms;
    }

    /** The learning rate that is shown of step {@code k}, from 0. */
    private double rate(int k) {
        return rates.shown(k, position.learningRateFactor());
    }

    /** The learning rates of step {@code k}, from 0, for each optimizer. */
    public List<Rates> rates(int k) {
        return rates.at(k, position.learningRateFactor());
    }

    /** Whether there is a checkpoint at the steps done. */
    public boolean atCheckpoint() {
        return milestones.checkpoint(done);
    }

    /** Whether the attempt before this one ended between a step and its checkpoint. */
    public boolean checkpointPending() {
        return atCheckpoint()
                && position.step() == done
                && position.checkpoints().stream().noneMatch(c -> c.step() == done);
    }

    /** Whether it should be saved by now. */
    public boolean due() {
        return milestones.state(done) || System.nanoTime() - lastState >= interval;
    }

    /** Nanoseconds until the next state where steps are slow, after one that took {@code written} nanoseconds to write. */
    static long interval(TrainingSpec training, long written) {
        return training.trainsModel() ? Math.max(STATE_NANOS, MODEL_STATE_PART * written) : STATE_NANOS;
    }

    /** What was measured before the first step. */
    public Position.Begin begun() {
        return position.begin();
    }

    /** How often it was set back, in their order. */
    public List<Rollback> rollbacks() {
        return position.rollbacks();
    }

    /**
     * Logs what was measured of the newest steps, and judges it and, where a state is due, the adapter.
     *
     * @param base the base model's loss on the batches of a step; null where that model is there no more
     * @param samples the pictures that a step was trained on, by steps done before
     * @return what is wrong; null if all is well
     */
    public Watchdog.@Nullable Alarm look(
            List<MeasuredStep> measured, @Nullable IntToDoubleFunction base, IntFunction<int[]> samples) {
        List<LossLog.Line> lines = new ArrayList<>();
        for (int i = 0; i < measured.size(); i++) {
            int k = done - measured.size() + i;
            lines.add(line(k, measured.get(i), samples.apply(k)));
        }
        Watchdog.Alarm alarm =
                watchdog.losses(losses.lines(), lines, position.begin().drawn(), base);
        if (alarm != null) {
            losses.add(lines.stream().filter(l -> l.step() < alarm.step()).toList());
            return alarm;
        }
        losses.add(lines);
        unfound.sentences(done - measured.size(), measured).forEach(LOG::warn);
        return milestones.state(done) ? watchdog.norms(done, norms(), position.greatestNorms()) : null;
    }

    /** What is logged of step {@code k}, from 0. */
    private LossLog.Line line(int k, MeasuredStep measured, int[] samples) {
        boolean tokensBeside = training.tokens().any() && trained.tables().size() > 1;
        return LossLogLineBuilder.builder()
                .step(k + 1)
                .loss(measured.loss())
                .learningRate(rate(k))
                .gradientNorm(measured.gradientNorm())
                .samples(samples)
                .addedLosses(measured.added().isEmpty() ? null : measured.added())
                .foundRate(found(0, k, measured))
                .tokensLearningRate(tokensBeside ? rates.shown(1, k, position.learningRateFactor()) : null)
                .tokensFoundRate(tokensBeside ? found(1, k, measured) : null)
                .build();
    }

    /** The rate of step {@code k} times the distance that an optimizer has found; null where it finds none. */
    private @Nullable Double found(int optimizer, int k, MeasuredStep measured) {
        Double distance = measured.found().get(optimizer);
        return distance == null ? null : distance * rates.shown(optimizer, k, position.learningRateFactor());
    }

    /** The greatest norms of the adapter's parts up to a state that every run of the spec writes. */
    private Map<Component, Double> greatestNorms() {
        if (!milestones.state(done)) {
            return position.greatestNorms();
        }
        Map<Component, Double> greatest = new EnumMap<>(norms());
        position.greatestNorms().forEach((part, norm) -> greatest.merge(part, norm, Math::max));
        return greatest;
    }

    /** The loss over the held-out pictures at the checkpoint that is due. */
    public void validated(double loss) throws IOException {
        losses.validated(loss);
    }

    /** Whether the checkpoint at the steps done was measured. */
    public boolean measured() {
        return position.allMeasured().stream().anyMatch(c -> c.step() == done);
    }

    /** Sees to it that what was measured and what will be can be compared. */
    public void requireJudge(String digest) {
        position.requireJudge(digest, folder);
    }

    /**
     * Takes what was measured of the newest checkpoint, and writes the state anew.
     *
     * @param digest of what measured
     */
    public void measured(Checkpoint checkpoint, String digest) throws IOException {
        checkpoints.measured(checkpoint);
        List<Checkpoint> all = new ArrayList<>(position.allMeasured());
        all.add(checkpoint);
        EarlyStopping stopping = EarlyStopping.of(run.spec().evaluation());
        String why = stopping == null || done == length.steps() ? null : stopping.reason(all);
        position = position.with(
                checkpoint,
                digest,
                why == null ? null : "it stopped at step %d of %d, since %s".formatted(done, length.steps(), why));
        saveState();
    }

    /** Why it ended before its last step, as a sentence without its full stop; null if it didn't. */
    public @Nullable String stoppedEarly() {
        return position.stoppedEarly();
    }

    /** Writes a checkpoint where one is due, and a state. */
    public void save() throws IOException {
        if (atCheckpoint()) {
            List<Metric> metrics = new ArrayList<>();
            metrics.add(Metric.of("loss", losses.recent(milestones.interval())));
            Double validation = losses.lines().get(done - 1).validationLoss();
            if (validation != null) {
                metrics.add(Metric.of("validationLoss", validation));
            }
            checkpoints.write(done, trained, metrics);
        }
        saveState();
    }

    /** Writes a state alone: a checkpoint that is due is left to the next attempt. */
    public void saveState() throws IOException {
        position = position.at(done, greatestNorms(), checkpoints.kept());
        losses.force();
        long begun = System.nanoTime();
        states.write(position, trained.state());
        lastState = System.nanoTime();
        interval = interval(training, lastState - begun);
    }

    /**
     * Goes back to the last good state and on with a lower learning rate.
     *
     * @throws TrainerException Diverged if that may not be done again
     */
    public void rollBack(Watchdog.Alarm alarm) throws IOException {
        List<Rollback> rollbacks = new ArrayList<>(position.rollbacks());
        int allowed = training.watchdog().enabled() ? training.watchdog().rollbacks() : 0;
        double factor = Watchdog.LEARNING_RATE_FACTOR * position.learningRateFactor();
        try (StateFiles.State good = rollbacks.size() < allowed ? lastGood(rollbacks) : null) {
            if (good == null) {
                // Nobody can go on from here, and the next run may well have another configuration.
                states.clear();
                throw new TrainerException(
                        Reason.Diverged,
                        "the training must not diverge, but at step %d %s, after %s and at a learning rate of %s; a lower `training.optimizer.learningRate` may help"
                                .formatted(
                                        alarm.step(),
                                        alarm.what(),
                                        rollbacks.size() == 1 ? "1 rollback" : rollbacks.size() + " rollbacks",
                                        Metric.of("", rate(alarm.step() - 1)).value()));
            }
            restore(good);
        }
        states.cut(done);
        rollbacks.add(new Rollback(alarm.step(), done, factor, alarm.what()));
        position = position.with(rollbacks);
        LOG.warn(
                "at step {} {}: back to step {}, and on with {} of the schedule's learning rate",
                alarm.step(),
                alarm.what(),
                done,
                Metric.of("", factor).value());
    }

    /**
     * The newest state, or the one before it where going on from the newest has failed: it was written when the training
     * was already going wrong. Null if there is none.
     */
    private StateFiles.@Nullable State lastGood(List<Rollback> rollbacks) throws IOException {
        int failed =
                rollbacks.isEmpty() ? 0 : rollbacks.get(rollbacks.size() - 1).to();
        StateFiles.State good = states.newest(step -> milestones.state(step) && (step == 0 || step != failed));
        return good != null ? good : states.newest(milestones::state);
    }
}
