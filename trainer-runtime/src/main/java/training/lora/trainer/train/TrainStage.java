package training.lora.trainer.train;

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
import training.lora.api.Stage;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.files.Folders;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.train.StageClock.Phase;

/** Trains an adapter on a prepared data set, draws pictures on the way, and publishes what came out. */
public final class TrainStage {
    private static final Logger LOG = LoggerFactory.getLogger(TrainStage.class);

    /** How often losses are read from native memory and reported. */
    private static final long REPORT_NANOS = 1_000_000_000L;

    /** Steps over which the reported loss is averaged. */
    private static final int LOSS_WINDOW = 10;

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
    private final @Nullable ImageSampler sampler;
    private final SamplePictures pictures;
    private final NDManager manager;
    private int rounds;
    private long lastReport = System.nanoTime();

    /**
     * What the stage came to.
     *
     * @param checkpoints those that are kept
     * @param last the newest
     * @param artifacts main files, uri relative to the workspace
     */
    public record Result(List<Checkpoint> checkpoints, Checkpoint last, List<Artifact> artifacts) {}

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
        var sampling = context.run().spec().sampling();
        this.pictures = new SamplePictures(folder, SamplePictures.prompts(sampling.prompts(), data.captions()));
        this.sampler = sampling.enabled()
                ? new ImageSampler(model, sampling.steps(), sampling.guidance(), data.resolution())
                : null;
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
        Folders.delete(folder.resolve("samples"));
        LOG.info(
                "training {} parameters in {} projections on {} pictures, {} steps of {}",
                adapter.parameters().size(),
                adapter.projections().size(),
                data.size(),
                training.steps(),
                training.batchSize());
        clock.enter(Phase.Other);
        FixedSet fixed = new FixedSet(batches, training.batchSize());
        double before = fixed.loss(step, manager);
        draw(0);
        for (int k = 0; k < training.steps(); k++) {
            step(k);
            if ((k + 1) % training.checkpointInterval() == 0 || k + 1 == training.steps()) {
                checkpoint(k + 1);
            }
        }
        clock.enter(Phase.Other);
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
                model.digest());
        summary.write(folder);
        return publish(summary);
    }

    private void step(int k) {
        clock.enter(Phase.Steps);
        try (NDManager scope = manager.newSubManager()) {
            Batches.Batch batch = batches.at(k, scope);
            step.train(batch.latents(), batch.noise(), batch.timesteps(), batch.context(), rates.at(k), scope);
        }
        boolean due = System.nanoTime() - lastReport >= REPORT_NANOS;
        if (due || step.full() || k + 1 == training.steps()) {
            clock.enter(Phase.Other);
            record(k + 1);
            if (due) {
                report(k + 1, null);
            }
        }
    }

    /** Reads the losses of the steps since the last time; {@code done} steps are done. */
    private void record(int done) {
        List<LoraStep.Measured> measured = step.drain();
        List<LossLog.Line> lines = new ArrayList<>();
        for (int i = 0; i < measured.size(); i++) {
            int k = done - measured.size() + i;
            lines.add(new LossLog.Line(
                    k + 1, measured.get(i).loss(), rates.at(k), measured.get(i).gradientNorm()));
        }
        losses.add(lines);
    }

    private void report(int done, @Nullable Checkpoint checkpoint) {
        lastReport = System.nanoTime();
        List<Metric> metrics = new ArrayList<>();
        if (done > 0) {
            LossLog.Line last = losses.lines().get(losses.lines().size() - 1);
            metrics.add(Metric.of("loss", losses.recent(LOSS_WINDOW)));
            metrics.add(Metric.of("learningRate", last.learningRate()));
            metrics.add(Metric.of("gradientNorm", last.gradientNorm()));
            metrics.add(Metric.of("imagesPerSecond", done * training.batchSize() / clock.seconds(Phase.Steps)));
        }
        context.report(Stage.Train, done, training.steps(), remainingSeconds(done), metrics, checkpoint);
    }

    /** From the measured rates of steps and pictures; null until both are known. */
    private @Nullable Integer remainingSeconds(int done) {
        if (done == 0) {
            return null;
        }
        double left = (training.steps() - done) * clock.seconds(Phase.Steps) / done;
        if (sampler != null) {
            int interval = training.checkpointInterval();
            int roundsLeft = (training.steps() + interval - 1) / interval - (rounds - 1);
            left += roundsLeft * (clock.seconds(Phase.Samples) + clock.seconds(Phase.Checkpoints)) / rounds;
        }
        return (int) Math.ceil(left);
    }

    private void checkpoint(int done) throws IOException {
        clock.enter(Phase.Other);
        record(done);
        clock.enter(Phase.Checkpoints);
        Checkpoint checkpoint = checkpoints.write(
                done, adapter, List.of(Metric.of("loss", losses.recent(training.checkpointInterval()))));
        draw(done);
        clock.enter(Phase.Other);
        LOG.info(
                "checkpoint at step {}, loss {}",
                done,
                checkpoint.metrics().get(0).value());
        report(done, checkpoint);
    }

    private void draw(int done) throws IOException {
        if (sampler != null) {
            clock.enter(Phase.Samples);
            pictures.draw(done, sampler, done == 0 ? null : adapter, manager);
            rounds++;
            clock.enter(Phase.Other);
        }
        if (done == 0) {
            report(0, null);
        }
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
        return new Result(kept, last, artifacts);
    }

    private void writeTiming() throws IOException {
        Map<String, Object> timing = new LinkedHashMap<>();
        for (Phase phase : Phase.values()) {
            timing.put(phase.name().toLowerCase(java.util.Locale.ROOT) + "Seconds", clock.seconds(phase));
        }
        timing.put("shareInStepsAndSamples", clock.usefulShare());
        timing.put("secondsPerStep", clock.seconds(Phase.Steps) / training.steps());
        timing.put("peakResidentBytes", ProcessMemory.peakResidentBytes());
        Json.PRETTY.writeValue(folder.resolve("timing.json").toFile(), timing);
        LOG.info(
                "time: {}; {}% of the time after loading in steps and samples; peak memory {} MB",
                clock, Math.round(100 * clock.usefulShare()), ProcessMemory.peakResidentBytes() / 1_000_000);
    }
}
