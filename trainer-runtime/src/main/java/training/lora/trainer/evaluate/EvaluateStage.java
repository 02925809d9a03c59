package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
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
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.Clip;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.publish.PublisherStateBuilder;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.sample.PictureGrid;
import training.lora.trainer.train.Checkpoints;
import training.lora.trainer.train.SamplePictures;
import training.lora.trainer.train.TrainSummary;

/**
 * Draws the same prompts and seeds with the base model and with each checkpoint, read back from its file, measures them
 * by CLIP, chooses the best and publishes again.
 */
public final class EvaluateStage {
    private static final Logger LOG = LoggerFactory.getLogger(EvaluateStage.class);

    /** Prompts where the spec has none. */
    private static final int DEFAULT_PROMPTS = 12;

    private static final long FIRST_SEED = 1000;

    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final PreparedDataset data;
    private final StableDiffusion model;
    private final ClipEmbedder embedder;
    private final Path clipFolder;
    private final TrainSummary summary;
    private final NDManager manager;
    private final Concepts concepts;
    private final List<PromptSpec> prompts;
    private final PictureCache cache;
    private final ImageSampler sampler;
    private final long begin = System.nanoTime();
    private int done;
    private int drawn;
    private boolean embedded;

    /**
     * What the stage came to.
     *
     * @param base what was measured of the base model
     * @param best the chosen checkpoint
     * @param checkpoints what was measured of each checkpoint
     * @param artifacts main files, uri relative to the workspace
     */
    public record Result(Checkpoint base, Checkpoint best, List<Checkpoint> checkpoints, List<Artifact> artifacts) {}

    /**
     * Metrics and pictures of the base model or a checkpoint.
     *
     * @param trained what the training had measured
     * @param vectors of the pictures
     * @param metrics the means of those by concept
     */
    private record Measured(
            Checkpoint trained,
            Embeddings vectors,
            ConceptMetrics metrics,
            List<ConceptMetrics> byConcept,
            List<Path> pictures) {
        int step() {
            return trained.step();
        }

        Checkpoint checkpoint() {
            List<Metric> all = new ArrayList<>(trained.metrics());
            all.addAll(metrics.toMetrics());
            return new Checkpoint(step(), all);
        }
    }

    private EvaluateStage(
            RunContext context,
            TrainSummary summary,
            PreparedDataset data,
            StableDiffusion model,
            Path clipFolder,
            Clip clip,
            NDManager manager) {
        this.context = context;
        this.spec = context.run().spec();
        this.summary = summary;
        this.data = data;
        this.model = model;
        this.clipFolder = clipFolder;
        this.embedder = new ClipEmbedder(clip, manager);
        this.manager = manager;
        this.concepts = Concepts.of(spec.datasets());
        this.prompts = repeated(
                concepts.prompts(
                        "spec.evaluation.prompts",
                        spec.evaluation().prompts(),
                        data.manifest().samples(),
                        Math.max(DEFAULT_PROMPTS, concepts.all().size()),
                        FIRST_SEED),
                spec.evaluation().samplesPerPrompt());
        this.cache = new PictureCache(context.workspace().evaluate().resolve("pictures"));
        this.sampler =
                new ImageSampler(model, spec.sampling().steps(), spec.sampling().guidance(), data.resolution());
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
            return new EvaluateStage(context, summary, data, model, clipFolder, clip, manager).run(inputs);
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

    /** One entry a picture: each prompt with seeds that count up. */
    static List<PromptSpec> repeated(List<PromptSpec> prompts, int each) {
        List<PromptSpec> all = new ArrayList<>();
        for (PromptSpec prompt : prompts) {
            for (int k = 0; k < each; k++) {
                all.add(new PromptSpec(prompt.text(), prompt.negative(), prompt.seed() + k));
            }
        }
        return all;
    }

    private Result run(InputDigests inputs) throws IOException {
        List<ConceptShare> shares = ConceptShare.of(concepts, prompts, data, embedder);
        List<String> words =
                prompts.stream().map(p -> concepts.withClassNames(p.text())).toList();
        PromptTexts texts = new PromptTexts(words, embedder.texts(words));
        report(null);
        TrainSummary.FixedSetLoss validation = summary.validationLoss();
        Checkpoint untrained = new Checkpoint(
                0, validation == null ? List.of() : List.of(Metric.of("validationLoss", validation.before())));
        Measured base = measure(untrained, shares, texts, null);
        List<Measured> measured = new ArrayList<>();
        for (Checkpoint checkpoint : summary.checkpoints()) {
            measured.add(measure(checkpoint, shares, texts, base));
        }
        // The first of equals, which changes least.
        Measured best = measured.stream()
                .max(Comparator.comparing(
                        Measured::metrics, ConceptMetrics.by(spec.evaluation().select())))
                .orElseThrow();
        LOG.info("the best checkpoint by {} is step {}", spec.evaluation().select(), best.step());
        List<Checkpoint> checkpoints =
                measured.stream().map(Measured::checkpoint).toList();
        EvaluationReport report = EvaluationReportBuilder.builder()
                .version(EvaluationReport.VERSION)
                .definitions(ConceptMetrics.DEFINITIONS)
                .clip(clipFolder.getFileName().toString())
                .sampler(new EvaluationReport.Sampler(
                        "Euler", spec.sampling().steps(), spec.sampling().guidance(), data.resolution()))
                .prompts(prompts)
                .trainingImages(
                        shares.stream().mapToInt(ConceptShare::trainingImages).sum())
                .concepts(conceptReports(shares, base, measured))
                .fixedSetLoss(summary.fixedSetLoss())
                .base(base.checkpoint())
                .checkpoints(checkpoints)
                .select(spec.evaluation().select())
                .bestStep(best.step())
                .validationLoss(summary.validationLoss())
                .build();
        return publish(report, inputs, base, measured, best);
    }

    private static List<EvaluationReport.ConceptReport> conceptReports(
            List<ConceptShare> shares, Measured base, List<Measured> measured) {
        List<EvaluationReport.ConceptReport> reports = new ArrayList<>();
        for (int i = 0; i < shares.size(); i++) {
            int concept = i;
            ConceptShare share = shares.get(i);
            reports.add(EvaluationReportConceptReportBuilder.builder()
                    .name(share.concept().name())
                    .prompts(share.prompts())
                    .trainingImages(share.trainingImages())
                    .base(base.byConcept().get(i).toMetrics())
                    .checkpoints(measured.stream()
                            .map(m -> new Checkpoint(
                                    m.step(), m.byConcept().get(concept).toMetrics()))
                            .toList())
                    .trigger(share.concept().trigger())
                    .build());
        }
        return reports;
    }

    /** Measures {@code trained} beside {@code base}; the base model itself where that is null. */
    private Measured measure(Checkpoint trained, List<ConceptShare> shares, PromptTexts texts, @Nullable Measured base)
            throws IOException {
        List<Path> pictures = pictures(trained.step());
        Embeddings vectors = embedder.pictures(pictures);
        Embeddings basis = base == null ? vectors : base.vectors();
        List<ConceptMetrics> byConcept = shares.stream()
                .map(share -> share.measure(vectors, basis, texts))
                .toList();
        Measured measured = new Measured(trained, vectors, ConceptMetrics.mean(byConcept), byConcept, pictures);
        LOG.info(
                "{}: {}",
                measured.step() == 0 ? "base model" : "step " + measured.step(),
                Metric.line(measured.checkpoint().metrics(), ", "));
        report(measured.checkpoint());
        return measured;
    }

    private List<Path> pictures(int step) throws IOException {
        @Nullable Path file = step == 0
                ? null
                : Checkpoints.adapterFile(context.run(), context.workspace().train(), step);
        String key = PictureCache.key(
                summary.baseModelDigest(),
                model.schedule(),
                spec.training().captions().maxTokens(),
                spec.training().captions().clipSkip(),
                file == null ? "base" : Sha256.of(file),
                prompts,
                spec.sampling().steps(),
                spec.sampling().guidance(),
                data.resolution());
        List<Path> found = cache.find(key, prompts.size());
        if (found != null) {
            done += found.size();
            return found;
        }
        if (!spec.training().adapter().textEncoder() && !embedded) {
            // Once for all checkpoints, and before the denoiser is read.
            sampler.embed(prompts, manager);
            model.releasePrompts();
            embedded = true;
        }
        try (LoraAdapter adapter = file == null ? null : AdapterFiles.read(file, model, manager)) {
            return cache.put(key, prompts.size(), sink -> sampler.draw(prompts, adapter, manager, sink, this::drew));
        }
    }

    /** Another {@code more} pictures were drawn. */
    private void drew(int more) {
        done += more;
        drawn += more;
        report(null);
        context.stopIfAsked("while it evaluated checkpoints");
    }

    private Result publish(
            EvaluationReport report, InputDigests inputs, Measured base, List<Measured> measured, Measured best)
            throws IOException {
        Path folder = context.workspace().evaluate();
        Path grid = folder.resolve("samples.png");
        writeGrid(grid, base, measured, best);
        Path json = folder.resolve("evaluation.json");
        Json.PRETTY.writeValue(json.toFile(), report);
        Path train = context.workspace().train();
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("evaluation.json", json);
        files.put("loss.jsonl", train.resolve("loss.jsonl"));
        files.put("loss.png", train.resolve("loss.png"));
        files.put("samples.png", grid);
        Publisher.State state = PublisherStateBuilder.builder()
                .finished(true)
                .model(model.family().name())
                .inputs(inputs)
                .best(best.checkpoint())
                .checkpoints(report.checkpoints())
                .device(summary.device())
                .base(report.base())
                .build();
        List<Artifact> artifacts = new Publisher(context.run(), context.workspace(), context.stopping())
                .publish(state, Checkpoints.folder(train), files);
        return new Result(report.base(), best.checkpoint(), report.checkpoints(), artifacts);
    }

    /** The pictures that were drawn while it trained, where they were, else those that were measured. */
    private void writeGrid(Path grid, Measured base, List<Measured> measured, Measured best) throws IOException {
        SamplePictures sampled = SamplePictures.of(context.workspace().train(), spec, data);
        boolean all = sampled.drawn(0) && measured.stream().allMatch(m -> sampled.drawn(m.step()));
        if (all && spec.sampling().enabled()) {
            sampled.writeGrid(grid, summary.checkpoints(), best.step());
            return;
        }
        List<PictureGrid.Column> columns = new ArrayList<>();
        columns.add(PictureGrid.Column.of(0, base.pictures(), false));
        for (Measured m : measured) {
            columns.add(PictureGrid.Column.of(m.step(), m.pictures(), m == best));
        }
        PictureGrid.write(
                grid,
                SamplePictures.trainingPictures(spec, data),
                prompts.stream().map(PromptSpec::text).toList(),
                columns);
    }

    private void report(@Nullable Checkpoint checkpoint) {
        int total = prompts.size() * (1 + summary.checkpoints().size());
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
