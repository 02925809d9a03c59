package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.DatasetRole;
import training.lora.api.Metric;
import training.lora.api.TrainingSpec;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.order.BatchOrder;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.publish.CheckpointUploads;
import training.lora.trainer.run.Neighbours;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.safety.SafetyCheck;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.tensor.ComputeDevice;
import training.lora.trainer.train.batch.AlignedPrompt;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.train.batch.CachedData;
import training.lora.trainer.train.batch.Captions;
import training.lora.trainer.train.batch.KeptPrompts;
import training.lora.trainer.train.batch.TrainingData;
import training.lora.trainer.train.progress.Checkpoints;
import training.lora.trainer.train.progress.MeasuredStep;
import training.lora.trainer.train.progress.StageClock;
import training.lora.trainer.train.progress.StageClock.Phase;
import training.lora.trainer.train.progress.TrainProgress;
import training.lora.trainer.train.progress.TrainingState;
import training.lora.trainer.train.progress.Watchdog;
import training.lora.trainer.trained.CheckpointFiles;
import training.lora.trainer.trained.CheckpointJudge;
import training.lora.trainer.trained.LossLog;
import training.lora.trainer.trained.PositionBeginBuilder;
import training.lora.trainer.trained.SamplePictures;
import training.lora.trainer.trained.TrainSummary;
import training.lora.trainer.trained.TrainSummaryBuilder;

/**
 * Trains an adapter on a prepared data set, draws pictures on the way, and publishes what came out. It goes on from the
 * newest state that an interrupted attempt left, and comes to the same bits as one that was not interrupted; what goes
 * wrong is taken back by the watchdog.
 */
public final class TrainStage {
    private static final Logger LOG = LoggerFactory.getLogger(TrainStage.class);

    private final RunContext context;
    private final TrainingSpec training;
    private final RunLength length;
    private final Path folder;
    private final StageClock clock;
    private final PreparedDataset data;
    private final StableDiffusion model;
    private final Trainee trainee;
    private final CheckpointUploads uploads;
    private final TrainingStep step;
    private final Batches batches;
    private final DrawnLosses drawn;
    private final FixedLosses fixed;
    private final LossLog losses;
    private final Checkpoints checkpoints;
    private final TrainingState state;
    private final TrainProgress progress;
    private final @Nullable ImageSampler sampler;
    private final @Nullable CheckpointJudge judge;
    private final SamplePictures pictures;
    private final NDManager manager;

    /**
     * What the stage came to.
     *
     * @param checkpoints those that are kept
     * @param last the newest
     * @param artifacts main files, uri relative to the workspace
     * @param note what the watchdog did and which pictures are unsafe, in a sentence; null if nothing
     * @param stoppedEarly where and why it ended before its last step; null if it didn't
     */
    public record Result(
            List<Checkpoint> checkpoints,
            Checkpoint last,
            List<Artifact> artifacts,
            @Nullable String note,
            @Nullable String stoppedEarly) {}

    private TrainStage(
            RunContext context,
            StageClock clock,
            PreparedDataset data,
            StableDiffusion model,
            Trainee trainee,
            StageTexts texts,
            @Nullable CheckpointJudge judge,
            CheckpointUploads uploads,
            NDManager manager)
            throws IOException {
        this.context = context;
        this.training = context.run().spec().training();
        this.folder = context.workspace().train();
        this.clock = clock;
        this.data = data;
        this.model = model;
        this.trainee = trainee;
        this.uploads = uploads;
        this.manager = manager;
        NoiseSchedule schedule = NoiseSchedule.of(model.schedule());
        this.step = trainee.step();
        List<Sample> samples = data.manifest().samples();
        this.length = BatchOrder.length(context.run().spec(), samples);
        TrainingData cached = new CachedData(data, !trainee.readsTexts(), manager);
        Captions.@Nullable Embedder embedder = trainee.readsTexts() ? null : StageTexts.embedder(model);
        this.batches = new Batches(
                cached,
                SampleOrder.of(samples, context.run().spec().datasets(), training.seed()),
                Captions.of(cached, samples, context.run().spec(), embedder),
                new Batches.Parts(
                        KeptPrompts.of(cached, samples, context.run().spec(), texts.known(), embedder),
                        step.history(),
                        AlignedPrompt.of(cached, samples, context.run().spec(), texts.known(), schedule.timesteps())),
                training,
                schedule);
        this.drawn = new DrawnLosses(batches, step, training, context.stopping(), manager);
        this.fixed = FixedLosses.of(context, data, batches, step, manager);
        this.losses = new LossLog(folder.resolve(LossLog.FILE));
        this.checkpoints = new Checkpoints(context.run(), length, folder, trainee.metadata(), uploads::keep);
        this.state = new TrainingState(
                context.run(), length, data.manifest(), folder, trainee.trained(), losses, checkpoints);
        this.progress = new TrainProgress(context, length, clock, losses);
        this.pictures = SamplePictures.of(folder, context.run().spec(), data);
        this.sampler = texts.sampler();
        this.judge = judge;
    }

    /** Refuses what this device or the runs beside it rule out, which is known before there are data. */
    public static void requirePossible(RunContext context) {
        MemoryChoice.requirePossible(context);
    }

    /**
     * Runs the stage.
     *
     * @param judges open what measures checkpoints while it trains
     */
    public static Result run(RunContext context, CheckpointJudge.Factory judges) throws IOException {
        StageClock clock = new StageClock(System::nanoTime);
        clock.enter(Phase.Load);
        PreparedDataset.manifest(context.workspace().dataset()).requireFor(context);
        MemoryChoice memory = MemoryChoice.of(context);
        try (NDManager manager = context.manager().newSubManager();
                PreparedDataset data = PreparedDataset.open(context.workspace().dataset());
                StableDiffusion model = context.openToTrain(memory.baseWeights(), memory.onHost(), manager);
                // Before text encoders are let go.
                CheckpointJudge judge = judges.open(context, data, model, manager)) {
            StageTexts texts = StageTexts.of(context.run().spec(), data, model, manager);
            try (Trainee trainee = Trainee.of(context, data, model, memory, manager);
                    CheckpointUploads uploads = CheckpointUploads.of(
                            context.run(),
                            context.workspace(),
                            CheckpointFiles.folder(context.workspace().train()))) {
                return new TrainStage(context, clock, data, model, trainee, texts, judge, uploads, manager).run();
            }
        }
    }

    private Result run() throws IOException {
        LOG.info(
                "training {} on {} pictures, {} steps of {}, in epochs of {} steps",
                trainee.size(),
                data.size() - data.samples(DatasetRole.Validation).length,
                length.steps(),
                training.batchSize() * training.gradientAccumulation(),
                length.epochSteps());
        clock.enter(Phase.Other);
        if (state.resume()) {
            pictures.cut(state.done());
            if (judge != null) {
                state.requireJudge(judge.digest());
            }
            if (state.checkpointPending()) {
                save();
            }
        } else {
            String where = "before its first step";
            Double before = fixed.begin(where);
            Double typical = training.watchdog().enabled() ? fixed.measured(drawn.begin(), where) : null;
            Double validation = fixed.heldOut(where);
            pictures.clear();
            TrainSummary.delete(folder);
            state.begin(PositionBeginBuilder.builder()
                    .fixedSet(before)
                    .drawn(typical)
                    .validation(validation)
                    .build());
        }
        drawAndReport();
        while (state.done() < length.steps() && state.stoppedEarly() == null) {
            advance();
        }
        if (state.stoppedEarly() != null) {
            LOG.info("{}", state.stoppedEarly());
        }
        clock.enter(Phase.Other);
        TrainSummary summary = TrainSummaryBuilder.builder()
                .runId(context.run().runId())
                .checkpoints(checkpoints.kept())
                .baseModelDigest(data.manifest().baseModelDigest())
                .rollbacks(state.rollbacks())
                .owner(context.run().owner())
                .spec(context.run().spec())
                .initFromDigest(data.manifest().initFromDigest())
                .datasetDigest(data.digest())
                .captionsDigest(data.manifest().captionsDigest())
                .fixedSetLoss(fixed.end(state.begun().fixedSet(), where()))
                .validationLoss(validationLoss())
                .stoppedEarly(state.stoppedEarly())
                .device(ComputeDevice.name(manager))
                .build();
        summary.write(folder);
        // What is missing by now is uploaded with the rest.
        uploads.close();
        TrainOutput output = new TrainOutput(context);
        List<Artifact> artifacts = output.publish(summary, data.manifest(), losses, pictures, sampler != null);
        output.writeTiming(clock, progress.secondsPerStep());
        String note = pictures.withUnsafe(summary.note(), context.run().spec(), summary.checkpoints());
        return new Result(summary.checkpoints(), newest(), artifacts, note, summary.stoppedEarly());
    }

    /** A step, and what is due after it. */
    private void advance() throws IOException {
        if (letOthersGoOn()) {
            return;
        }
        step();
        boolean stopping = context.stopping().getAsBoolean();
        boolean save = stopping || state.due();
        if (save || progress.due() || step.log().full()) {
            clock.enter(Phase.Other);
            if (setBack()) {
                return;
            }
            if (save) {
                save();
            }
            if (stopping) {
                context.stopIfAsked(where());
            }
            if (state.atCheckpoint()) {
                drawAndReport();
            } else if (progress.due()) {
                progress.report(state.done(), null);
            }
        }
    }

    /**
     * Judges the steps since the last call, and goes back where something is wrong with them.
     *
     * @return whether it went back
     */
    private boolean setBack() throws IOException {
        List<MeasuredStep> measured = step.log().drain();
        Watchdog.Alarm alarm = measured.isEmpty()
                ? null
                : state.look(measured, training.trainsModel() ? null : drawn::base, batches::ofStep);
        if (alarm == null) {
            return false;
        }
        state.rollBack(alarm);
        pictures.cut(state.done());
        return true;
    }

    /**
     * Lets runs beside this one make their step. Asked to stop by then, it saves what it has and makes no other.
     *
     * @return whether it was set back
     */
    private boolean letOthersGoOn() throws IOException {
        if (context.neighbours() == Neighbours.NONE) {
            return false;
        }
        clock.enter(Phase.Neighbours);
        context.neighbours().takeTurns();
        clock.enter(Phase.Other);
        if (!context.stopping().getAsBoolean()) {
            return false;
        }
        if (setBack()) {
            return true;
        }
        if (state.done() > 0 && !state.atCheckpoint()) {
            state.saveState();
        }
        context.stopIfAsked(where());
        return false;
    }

    /** Writes what is due; asked to stop while it measures, it leaves the checkpoint to the next attempt. */
    private void save() throws IOException {
        clock.enter(Phase.Checkpoints);
        if (fixed.holdsOut() && state.atCheckpoint()) {
            Double loss = fixed.heldOut();
            if (loss == null) {
                state.saveState();
                context.stopIfAsked(where());
            } else {
                state.validated(loss);
            }
        }
        state.save();
        clock.enter(Phase.Other);
    }

    /** Where it stands once it is saved. */
    private String where() {
        return "at step %d of %d, whose state is written".formatted(state.done(), length.steps());
    }

    private void step() {
        clock.enter(Phase.Steps);
        int k = state.done();
        step.train(batches, k, state.rates(k));
        state.stepped();
        progress.stepped();
    }

    /** Draws the pictures of a checkpoint, or of the beginning, where they are not there yet, and reports it. */
    private void drawAndReport() throws IOException {
        int done = state.done();
        if (done > 0 && !state.atCheckpoint()) {
            return;
        }
        if (sampler != null && !pictures.drawn(done)) {
            clock.enter(Phase.Samples);
            String where = "while it drew the pictures of step %d of %d".formatted(done, length.steps());
            try (SafetyCheck safety = SafetyCheck.open(context);
                    TrainingStep.Held held = step.hold()) {
                pictures.lookedAtBy(safety)
                        .draw(
                                done,
                                sampler,
                                done == 0 ? null : trainee.trained().drawn(),
                                manager,
                                more -> context.stopIfAsked(where));
            }
            // Steps need the memory; to read it again takes little beside the pictures.
            model.releaseVae();
        }
        clock.enter(Phase.Other);
        if (done == 0) {
            progress.report(0, null);
            return;
        }
        judge();
        progress.drew();
        LOG.info("checkpoint at step {}, {}", done, Metric.line(newest().metrics(), ", "));
        progress.report(done, newest());
    }

    /** Measures the newest checkpoint where that is asked for and not done yet. */
    private void judge() throws IOException {
        if (judge == null || state.measured()) {
            return;
        }
        clock.enter(Phase.Samples);
        String where = "while it measured the checkpoint of step %d of %d".formatted(state.done(), length.steps());
        Checkpoint measured = judge.measure(newest(), more -> context.stopIfAsked(where));
        model.releaseVae();
        state.measured(measured, judge.digest());
        clock.enter(Phase.Other);
    }

    private TrainSummary.@Nullable FixedSetLoss validationLoss() {
        Double before = state.begun().validation();
        Double after = losses.lines().get(losses.lines().size() - 1).validationLoss();
        return before == null || after == null ? null : new TrainSummary.FixedSetLoss(before, after);
    }

    private Checkpoint newest() {
        List<Checkpoint> kept = checkpoints.kept();
        return kept.get(kept.size() - 1);
    }
}
