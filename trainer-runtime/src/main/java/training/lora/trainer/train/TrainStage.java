package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.train.StageClock.Phase;
import training.lora.trainer.train.TrainSummary.Rollback;

/**
 * Trains an adapter on a prepared data set, draws pictures on the way, and publishes what came out. It goes on from the
 * newest state that an interrupted attempt left, and comes to the same bits as one that was not interrupted; what goes
 * wrong is taken back by the watchdog.
 */
public final class TrainStage {
    private static final Logger LOG = LoggerFactory.getLogger(TrainStage.class);

    /** Steps between states where checkpoints are rarer. */
    private static final int STATE_STEPS = 100;

    /** And the time between them where steps are slow. */
    private static final long STATE_NANOS = 60_000_000_000L;

    private final RunContext context;
    private final TrainingSpec training;
    private final Path folder;
    private final StageClock clock;
    private final PreparedDataset data;
    private final StableDiffusion model;
    private final LoraAdapter adapter;
    private final LoraStep step;
    private final Batches batches;
    private final LearningRateSchedule rates;
    private final LossLog losses;
    private final Checkpoints checkpoints;
    private final StateFiles states;
    private final Watchdog watchdog;
    private final TrainProgress progress;
    private final @Nullable ImageSampler sampler;
    private final SamplePictures pictures;
    private final NDManager manager;
    private Position position;
    private int done;
    private long lastState = System.nanoTime();

    /**
     * What the stage came to.
     *
     * @param checkpoints those that are kept
     * @param last the newest
     * @param artifacts main files, uri relative to the workspace
     * @param note what the watchdog did, in a sentence; null if nothing
     */
    public record Result(
            List<Checkpoint> checkpoints,
            Checkpoint last,
            List<Artifact> artifacts,
            @Nullable String note) {}

    private TrainStage(
            RunContext context,
            StageClock clock,
            PreparedDataset data,
            StableDiffusion model,
            LoraAdapter adapter,
            NDManager manager)
            throws IOException {
        this.context = context;
        this.training = context.run().spec().training();
        this.folder = context.workspace().train();
        this.clock = clock;
        this.data = data;
        this.model = model;
        this.adapter = adapter;
        this.manager = manager;
        NoiseSchedule schedule = NoiseSchedule.of(model.schedule());
        this.step = new LoraStep(model.unet(), adapter, schedule, training.loss(), training.optimizer(), manager);
        this.batches = new Batches(
                new CachedData(data, manager),
                training.seed(),
                training.batchSize(),
                training.captions().dropout(),
                schedule.timesteps());
        this.rates = LearningRateSchedule.of(training.optimizer(), training.steps());
        this.losses = new LossLog(folder.resolve("loss.jsonl"));
        this.checkpoints = new Checkpoints(
                context.run(),
                folder,
                new ExportMetadata(
                        context.run().owner().name(),
                        String.valueOf(context.baseModel().getFileName()),
                        data.resolution()));
        this.states =
                new StateFiles(folder, this::regular, training.checkpoints().keep());
        this.progress = new TrainProgress(context, clock, losses);
        var sampling = context.run().spec().sampling();
        this.pictures = new SamplePictures(folder, SamplePictures.prompts(sampling.prompts(), data.captions()));
        this.sampler = sampling.enabled()
                ? new ImageSampler(model, sampling.steps(), sampling.guidance(), data.resolution())
                : null;
        this.watchdog = new Watchdog(training.watchdog());
        // Until it is known whether there is a state to go on from.
        this.position = Position.first(context.run(), data.manifest(), TorchScript.threads(), 0);
    }

    /** Runs the stage. */
    public static Result run(RunContext context) throws IOException {
        StageClock clock = new StageClock(System::nanoTime);
        clock.enter(Phase.Load);
        TrainingSpec training = context.run().spec().training();
        try (NDManager manager = context.manager().newSubManager();
                PreparedDataset data = PreparedDataset.open(context.workspace().dataset());
                StableDiffusion model = StableDiffusion.open(context.baseModel(), manager);
                LoraAdapter adapter = LoraAdapter.create(
                        model.unet().projections(),
                        new LoraSettings(
                                training.adapter().rank(),
                                training.adapter().alpha(),
                                training.adapter().targets()),
                        training.seed(),
                        manager)) {
            return new TrainStage(context, clock, data, model, adapter, manager).run();
        }
    }

    private Result run() throws IOException {
        LOG.info(
                "training {} parameters in {} projections on {} pictures, {} steps of {}",
                adapter.parameters().size(),
                adapter.projections().size(),
                data.size(),
                training.steps(),
                training.batchSize());
        clock.enter(Phase.Other);
        FixedSet fixed = new FixedSet(batches, training.batchSize());
        begin(fixed);
        atCheckpoint();
        while (done < training.steps()) {
            advance();
        }
        clock.enter(Phase.Other);
        double before = position.fixedSetLoss();
        double after = fixed.loss(step, manager);
        LOG.info(
                "loss over the fixed set: {} before, {} after",
                Metric.of("", before).value(),
                Metric.of("", after).value());
        if (after >= before) {
            LOG.warn("nothing was learned by the measure of the fixed set: its loss did not fall");
        }
        TrainSummary summary = new TrainSummary(
                context.run().runId(),
                new TrainSummary.FixedSetLoss(before, after),
                checkpoints.kept(),
                model.digest(),
                position.rollbacks());
        summary.write(folder);
        return publish(summary);
    }

    /** Goes on from the newest state, or starts where there is none. */
    private void begin(FixedSet fixed) throws IOException {
        try (StateFiles.State state = states.newest(this::logged, manager)) {
            if (state != null && state.position().isOf(context.run(), data.manifest(), folder)) {
                restore(state);
                LOG.info("going on from step {} of {}", done, training.steps());
                if (position.threads() != TorchScript.threads()) {
                    LOG.warn(
                            "{} threads instead of {}: the result may differ in its last bits from an uninterrupted run's",
                            TorchScript.threads(),
                            position.threads());
                }
                return;
            }
        }
        states.clear();
        losses.cut(0);
        checkpoints.restore(List.of());
        pictures.clear();
        TrainSummary.delete(folder);
        position = Position.first(context.run(), data.manifest(), TorchScript.threads(), fixed.loss(step, manager));
        save();
    }

    /** Whether the loss log reaches to a state. */
    private boolean logged(int state) {
        boolean reaches = losses.lines().size() >= state;
        if (!reaches) {
            LOG.warn("the loss log ends before the state of step {}, the one before it is used", state);
        }
        return reaches;
    }

    private void restore(StateFiles.State state) throws IOException {
        position = state.position();
        done = position.step();
        step.optimizer().restore(state.tensors(), done);
        losses.cut(done);
        checkpoints.restore(position.checkpoints());
    }

    /** A step, and what is due after it. */
    private void advance() throws IOException {
        step();
        boolean stopping = context.stopping().getAsBoolean();
        boolean save = regular(done) || stopping || System.nanoTime() - lastState >= STATE_NANOS;
        if (save || progress.due() || step.full()) {
            clock.enter(Phase.Other);
            Watchdog.Alarm alarm = look();
            if (alarm != null) {
                rollBack(alarm);
                return;
            }
            if (save) {
                save();
            }
            if (stopping) {
                context.stopIfAsked("at step %d of %d, whose state is written".formatted(done, training.steps()));
            }
            if (due(done)) {
                atCheckpoint();
            } else if (progress.due()) {
                progress.report(done, null);
            }
        }
    }

    private void step() {
        clock.enter(Phase.Steps);
        try (NDManager scope = manager.newSubManager()) {
            Batches.Batch batch = batches.at(done, scope);
            step.train(batch.latents(), batch.noise(), batch.timesteps(), batch.context(), rate(done), scope);
        }
        done++;
        progress.stepped();
    }

    private double rate(int k) {
        return position.learningRateFactor() * rates.at(k);
    }

    /** Whether there is a checkpoint at {@code k} steps done. */
    private boolean due(int k) {
        return k > 0 && (k % training.checkpointInterval() == 0 || k == training.steps());
    }

    /** Whether an undisturbed run writes a state at {@code k} steps done: the watchdog goes back to these alone. */
    private boolean regular(int k) {
        return k % STATE_STEPS == 0 || due(k);
    }

    /** Reads the losses of the steps since the last time, and judges them and, where a state is due, the adapter. */
    private Watchdog.@Nullable Alarm look() {
        List<LoraStep.Measured> measured = step.drain();
        List<LossLog.Line> lines = new ArrayList<>();
        for (int i = 0; i < measured.size(); i++) {
            int k = done - measured.size() + i;
            lines.add(new LossLog.Line(
                    k + 1, measured.get(i).loss(), rate(k), measured.get(i).gradientNorm()));
        }
        Watchdog.Alarm alarm = watchdog.losses(losses.lines(), lines, position.fixedSetLoss());
        if (alarm != null) {
            losses.add(lines.stream().filter(l -> l.step() < alarm.step()).toList());
            return alarm;
        }
        losses.add(lines);
        return regular(done) ? watchdog.norm(done, norm(), position.greatestNorm()) : null;
    }

    private double norm() {
        try (NDArray norm = adapter.parameters().norm()) {
            return norm.getFloat();
        }
    }

    private void save() throws IOException {
        clock.enter(Phase.Checkpoints);
        if (due(done)) {
            checkpoints.write(done, adapter, List.of(Metric.of("loss", losses.recent(training.checkpointInterval()))));
        }
        double greatest = regular(done) ? Math.max(norm(), position.greatestNorm()) : position.greatestNorm();
        position = position.at(done, greatest, checkpoints.kept());
        losses.force();
        states.write(position, step.optimizer().state());
        lastState = System.nanoTime();
        clock.enter(Phase.Other);
    }

    /** Goes back to the last good state and on with a lower learning rate, if that may still be done. */
    private void rollBack(Watchdog.Alarm alarm) throws IOException {
        List<Rollback> rollbacks = new ArrayList<>(position.rollbacks());
        int allowed = training.watchdog().enabled() ? training.watchdog().rollbacks() : 0;
        try (StateFiles.State good = rollbacks.size() < allowed ? states.newest(this::regular, manager) : null) {
            if (good == null) {
                // Nobody can go on from here, and the next run may well have another configuration.
                states.clear();
                throw new TrainerException(
                        Reason.Diverged,
                        "the training must not diverge, but at step %d %s, after %d rollbacks and at a learning rate of %s; a lower `training.optimizer.learningRate` may help"
                                .formatted(alarm.step(), alarm.what(), rollbacks.size(), rate(alarm.step() - 1)));
            }
            restore(good);
        }
        position = position.with(rollbacks);
        rollbacks.add(new Rollback(
                alarm.step(), done, Watchdog.LEARNING_RATE_FACTOR * position.learningRateFactor(), alarm.what()));
        position = position.with(rollbacks);
        LOG.warn(
                "at step {} {}: back to step {}, and on with {} of the schedule's learning rate",
                alarm.step(),
                alarm.what(),
                done,
                position.learningRateFactor());
    }

    /** Draws the pictures of a checkpoint, or of the beginning, where they are not there yet, and reports it. */
    private void atCheckpoint() throws IOException {
        if (done > 0 && !due(done)) {
            return;
        }
        if (sampler != null && !pictures.drawn(done)) {
            clock.enter(Phase.Samples);
            String where = "while it drew the pictures of step %d of %d".formatted(done, training.steps());
            pictures.draw(done, sampler, done == 0 ? null : adapter, manager, more -> context.stopIfAsked(where));
        }
        clock.enter(Phase.Other);
        if (done == 0) {
            progress.report(0, null);
            return;
        }
        progress.drew();
        Checkpoint newest = checkpoints.kept().get(checkpoints.kept().size() - 1);
        LOG.info("checkpoint at step {}, loss {}", done, newest.metrics().get(0).value());
        progress.report(done, newest);
    }

    private Result publish(TrainSummary summary) throws IOException {
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("loss.jsonl", folder.resolve("loss.jsonl"));
        files.put("loss.png", folder.resolve("loss.png"));
        LossChart.draw(losses.lines(), context.run().owner().name() + ": training loss")
                .write(files.get("loss.png"));
        List<Checkpoint> kept = checkpoints.kept();
        if (sampler != null) {
            files.put("samples.png", folder.resolve("samples.png"));
            pictures.writeGrid(files.get("samples.png"), kept, null);
        }
        Checkpoint last = kept.get(kept.size() - 1);
        Publisher.State state = new Publisher.State(
                !context.run().spec().evaluation().enabled(),
                model.family(),
                summary.baseModelDigest(),
                data.digest(),
                null,
                last,
                kept);
        List<Artifact> artifacts =
                new Publisher(context.run(), context.workspace()).publish(state, Checkpoints.folder(folder), files);
        writeTiming();
        return new Result(kept, last, artifacts, summary.note());
    }

    private void writeTiming() throws IOException {
        Map<String, Object> timing = new LinkedHashMap<>();
        for (Phase phase : Phase.values()) {
            timing.put(phase.name().toLowerCase(java.util.Locale.ROOT) + "Seconds", clock.seconds(phase));
        }
        timing.put("shareInStepsAndSamples", clock.usefulShare());
        timing.put("secondsPerStep", progress.secondsPerStep());
        timing.put("peakResidentBytes", ProcessMemory.peakResidentBytes());
        WholeFile.write(folder.resolve("timing.json"), temporary -> Json.PRETTY.writeValue(temporary.toFile(), timing));
        LOG.info(
                "time: {}; {}% of the time after loading in steps and samples; peak memory {} MB",
                clock, Math.round(100 * clock.usefulShare()), ProcessMemory.peakResidentBytes() / 1_000_000);
    }
}
