package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Metric;
import training.lora.api.PromptSpec;
import training.lora.api.Stage;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.publish.PublisherStateBuilder;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.PictureGrid;
import training.lora.trainer.trained.CheckpointFiles;
import training.lora.trainer.trained.SamplePictures;
import training.lora.trainer.trained.TrainSummary;

/**
 * Draws the same prompts and seeds with the base model and with each checkpoint, read back from its file, measures them
 * by CLIP, chooses the best and publishes again.
 */
public final class EvaluateStage {
    private static final Logger LOG = LoggerFactory.getLogger(EvaluateStage.class);

    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final PreparedDataset data;
    private final StableDiffusion model;
    private final Path clipFolder;
    private final TrainSummary summary;
    private final CheckpointMeter meter;
    private final long begin = System.nanoTime();
    private int done;
    private int drawn;

    /**
     * What the stage came to.
     *
     * @param base what was measured of the base model
     * @param best the chosen checkpoint
     * @param checkpoints what was measured of each checkpoint
     * @param artifacts main files, uri relative to the workspace
     * @param note which pictures are unsafe, and where the score can't tell what was learned; null if there is nothing of it
     */
    public record Result(
            Checkpoint base,
            Checkpoint best,
            List<Checkpoint> checkpoints,
            List<Artifact> artifacts,
            @Nullable String note) {}

    private EvaluateStage(
            RunContext context,
            TrainSummary summary,
            PreparedDataset data,
            StableDiffusion model,
            Path clipFolder,
            CheckpointMeter meter) {
        this.context = context;
        this.spec = context.run().spec();
        this.summary = summary;
        this.data = data;
        this.model = model;
        this.clipFolder = clipFolder;
        this.meter = meter;
    }

    /** Runs the stage; the train stage must have ended. */
    public static Result run(RunContext context) throws IOException {
        Path clipFolder = context.clip();
        TrainSummary summary = TrainSummary.read(context.workspace().train());
        InputDigests inputs = inputs(context, requireTrained(context, summary));
        try (NDManager manager = context.manager().newSubManager();
                PreparedDataset data = PreparedDataset.open(context.workspace().dataset());
                StableDiffusion model = context.openModel(manager);
                Clip clip = Clip.open(clipFolder, manager)) {
            CheckpointMeter meter = new CheckpointMeter(context, data, model, clip, manager);
            meter.embedPrompts();
            if (!context.run().spec().training().adaptsText()) {
                // Before the denoiser is read.
                model.releasePrompts();
            }
            return new EvaluateStage(context, summary, data, model, clipFolder, meter).run(inputs);
        }
    }

    /**
     * Sees to it that data and checkpoints are this run's: those of another spec, of other data or another base model must
     * not be published as such.
     *
     * @return the prepared data
     * @throws TrainerException InvalidConfiguration if they aren't
     */
    public static DatasetManifest requireTrained(RunContext context) throws IOException {
        return requireTrained(context, TrainSummary.read(context.workspace().train()));
    }

    private static DatasetManifest requireTrained(RunContext context, TrainSummary summary) throws IOException {
        DatasetManifest data = PreparedDataset.manifest(context.workspace().dataset());
        data.requireFor(context);
        summary.requireOf(context.run(), data);
        return data;
    }

    private static InputDigests inputs(RunContext context, DatasetManifest data) throws IOException {
        try (FileDigests digests = context.workspace().digests()) {
            return InputDigestsBuilder.builder(data.inputs())
                    .clip(context.clipDigest(digests))
                    .build();
        }
    }

    private Result run(InputDigests inputs) throws IOException {
        report(null);
        TrainSummary.FixedSetLoss validation = summary.validationLoss();
        Checkpoint untrained = new Checkpoint(
                0, validation == null ? List.of() : List.of(Metric.of("validationLoss", validation.before())));
        Measured base = measure(untrained, null);
        List<Measured> measured = new ArrayList<>();
        for (Checkpoint checkpoint : summary.checkpoints()) {
            measured.add(measure(checkpoint, base));
        }
        // The first of equals, which changes least.
        Measured best = measured.stream()
                .max(Comparator.comparing(
                        Measured::metrics, ConceptMetrics.by(spec.evaluation().select())))
                .orElseThrow();
        LOG.info("the best checkpoint by {} is step {}", spec.evaluation().select(), best.step());
        EvaluationReport report = new ReportFile(context, data, summary, meter)
                .of(base, measured, best, clipFolder.getFileName().toString());
        List<String> notes = report.notes(spec.preparation().safety());
        notes.forEach(note -> LOG.warn("{}", note));
        List<Measured> shown = new ArrayList<>();
        for (Measured m : measured) {
            shown.add(meter.shown(m));
        }
        List<Artifact> artifacts = publish(report, inputs, meter.shown(base), shown);
        return new Result(
                report.base(),
                best.checkpoint(),
                report.checkpoints(),
                artifacts,
                notes.isEmpty() ? null : String.join("; ", notes));
    }

    /** Measures {@code trained} beside {@code base}; the base model itself where that is null. */
    private Measured measure(Checkpoint trained, @Nullable Measured base) throws IOException {
        Measured measured = meter.measure(trained, base, new CheckpointMeter.Progress() {
            @Override
            public void found(int more) {
                done += more;
            }

            @Override
            public void drew(int more) {
                EvaluateStage.this.drew(more);
            }
        });
        LOG.info(
                "{}: {}",
                measured.step() == 0 ? "base model" : "step " + measured.step(),
                Metric.line(measured.checkpoint().metrics(), ", "));
        report(measured.checkpoint());
        return measured;
    }

    /** Another {@code more} pictures were drawn. */
    private void drew(int more) {
        done += more;
        drawn += more;
        report(null);
        context.stopIfAsked("while it evaluated checkpoints");
    }

    /** Publishes, with pictures as people are shown them. */
    private List<Artifact> publish(EvaluationReport report, InputDigests inputs, Measured base, List<Measured> measured)
            throws IOException {
        Path folder = context.workspace().evaluate();
        Path grid = folder.resolve("samples.png");
        writeGrid(grid, base, measured, report.bestStep());
        Path json = folder.resolve("evaluation.json");
        Json.PRETTY.writeValue(json.toFile(), report);
        Path train = context.workspace().train();
        Path page = folder.resolve("report.html");
        String html = new ReportPage(context, data, summary, report, model).html(base, measured);
        WholeFile.write(page, temporary -> Files.writeString(temporary, html));
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("evaluation.json", json);
        files.put("report.html", page);
        files.put("loss.jsonl", train.resolve("loss.jsonl"));
        files.put("loss.png", train.resolve("loss.png"));
        files.put("samples.png", grid);
        Publisher.State state = PublisherStateBuilder.builder()
                .finished(true)
                .model(model.family().name())
                .inputs(inputs)
                .best(report.best())
                .checkpoints(report.checkpoints())
                .device(summary.device())
                .stoppedEarly(summary.stoppedEarly())
                .base(report.base())
                .build();
        return new Publisher(context).publish(state, CheckpointFiles.folder(train), files);
    }

    /** The pictures that were drawn while it trained, where they were, else those that were measured. */
    private void writeGrid(Path grid, Measured base, List<Measured> measured, int best) throws IOException {
        SamplePictures sampled = SamplePictures.of(context.workspace().train(), spec, data);
        boolean all = sampled.drawn(0) && measured.stream().allMatch(m -> sampled.drawn(m.step()));
        if (all && spec.sampling().enabled()) {
            sampled.writeGrid(grid, summary.checkpoints(), best);
            return;
        }
        List<PictureGrid.Column> columns = new ArrayList<>();
        columns.add(PictureGrid.Column.of(0, base.pictures(), false));
        for (Measured m : measured) {
            columns.add(PictureGrid.Column.of(m.step(), m.pictures(), m.step() == best));
        }
        PictureGrid.write(
                grid,
                SamplePictures.trainingPictures(spec, data),
                meter.prompts().stream().map(PromptSpec::text).toList(),
                columns);
    }

    private void report(@Nullable Checkpoint checkpoint) {
        int total = meter.prompts().size() * (1 + summary.checkpoints().size());
        double seconds = (System.nanoTime() - begin) / 1e9;
        Integer remaining = drawn == 0 ? null : (int) Math.ceil(seconds / drawn * (total - done));
        context.report(
                Stage.Evaluate,
                done,
                total,
                remaining,
                checkpoint == null ? List.of() : checkpoint.metrics(),
                checkpoint);
    }
}
