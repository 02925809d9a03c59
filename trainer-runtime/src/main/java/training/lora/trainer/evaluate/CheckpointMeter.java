package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;
import training.lora.api.AestheticSpec;
import training.lora.api.BaseWeights;
import training.lora.api.Checkpoint;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSource;
import training.lora.api.PromptSpec;
import training.lora.api.ScoreWeightsSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.WholeModel;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.trained.CheckpointFiles;

/**
 * Draws the same prompts and seeds with the base model and with checkpoints, read back from their files, and measures them.
 * Pictures are kept by what they depend on, so that what one process or stage drew no other draws again.
 */
final class CheckpointMeter {
    /** Captions that are drawn at most where there are fewer concepts. */
    private static final int CAPTIONS = 12;

    private static final long FIRST_SEED = 1000;

    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final PreparedDataset data;
    private final StableDiffusion model;
    private final NDManager manager;
    private final ClipEmbedder embedder;
    private final List<PromptSpec> prompts;
    private final PictureCache cache;
    private final ImageSampler sampler;
    private final List<PictureMetric> more = new ArrayList<>();
    private final List<ConceptMeter> meters = new ArrayList<>();
    private final List<Memorisation> memorisations = new ArrayList<>();
    private final List<Embeddings> heldOut = new ArrayList<>();
    private final @Nullable SampleSafety safety;
    private final @Nullable FaceSimilarity weighedFaces;
    private boolean embedded;

    /** Whether the model has weights of a checkpoint. */
    private boolean trainedIn;

    CheckpointMeter(RunContext context, PreparedDataset data, StableDiffusion model, Clip clip, NDManager manager) {
        this.context = context;
        this.spec = context.run().spec();
        this.data = data;
        this.model = model;
        this.manager = manager;
        this.embedder = new ClipEmbedder(clip, manager);
        Concepts concepts = Concepts.of(spec.datasets());
        this.prompts = repeated(prompts(concepts), spec.evaluation().samplesPerPrompt());
        this.cache = new PictureCache(context.workspace().evaluate().resolve("pictures"));
        this.sampler = ImageSampler.of(model, spec.sampling(), spec.sampling().side(data.resolution()));
        List<String> words =
                prompts.stream().map(p -> concepts.withClassNames(p.text())).toList();
        PromptTexts texts = new PromptTexts(words, embedder.texts(words));
        AestheticSpec head = spec.evaluation().aesthetic();
        Path headFile = context.aesthetic();
        if (head != null && headFile != null) {
            int width = texts.vectors().row(0).length;
            more.add(
                    OnnxFiles.isGraph(headFile.toString())
                            ? new AestheticNetwork(headFile)
                            : AestheticHead.read(headFile, head.activation(), width, manager));
        }
        FaceSimilarity faces = FaceSimilarity.of(context, data);
        if (faces != null) {
            more.add(faces);
        }
        ScoreWeightsSpec weights = spec.evaluation().weights();
        weighedFaces = weights != null && weights.faces() > 0 ? faces : null;
        safety = SampleSafety.of(context);
        if (safety != null) {
            more.add(safety);
        }
        for (ConceptShare share : ConceptShare.of(concepts, prompts, data, embedder)) {
            addConcept(share, concepts, texts);
        }
    }

    private void addConcept(ConceptShare share, Concepts concepts, PromptTexts texts) {
        List<Path> files = data.pictureFiles(share.concept().datasets());
        Embeddings others = embedder.pictures(data.pictureFiles(concepts.heldOut(share.concept())));
        double aesthetic = more.stream()
                .filter(metric -> metric.name().equals(AestheticHead.NAME))
                .mapToDouble(metric -> mean(metric.of(share, files, share.training())))
                .findFirst()
                .orElse(Double.NaN);
        TrainingValues reference = TrainingValues.of(
                share.training(), others, aesthetic, weighedFaces == null ? Double.NaN : weighedFaces.among(share));
        meters.add(new ConceptMeter(share, texts, ScoreWeights.of(spec.evaluation()), reference));
        memorisations.add(new Memorisation(share.training(), files));
        heldOut.add(others);
    }

    private static double mean(double[] values) {
        return DoubleStream.of(values).filter(v -> !Double.isNaN(v)).average().orElse(Double.NaN);
    }

    /** The spec's prompts, or built-in ones, or the first captions of each concept in turn. */
    private List<PromptSpec> prompts(Concepts concepts) {
        if (spec.evaluation().prompts().isEmpty() && source() == PromptSource.BuiltIn) {
            return BuiltInPrompts.of(spec, concepts, FIRST_SEED);
        }
        return concepts.prompts(
                "spec.evaluation.prompts",
                spec.evaluation().prompts(),
                data.manifest().samples(),
                Math.max(CAPTIONS, concepts.all().size()),
                FIRST_SEED);
    }

    /** The bundled model knows emoji alone, of which captions tell. */
    private PromptSource source() {
        PromptSource source = spec.evaluation().promptSource();
        return source != null ? source : context.named().bundledBase() ? PromptSource.Captions : PromptSource.BuiltIn;
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

    /** One for each picture. */
    List<PromptSpec> prompts() {
        return prompts;
    }

    List<ConceptMeter> meters() {
        return meters;
    }

    /** What tells copies, of each concept. */
    List<Memorisation> memorisations() {
        return memorisations;
    }

    /** Whether pictures are held out of some concept. */
    boolean holdsOut() {
        return heldOut.stream().anyMatch(pictures -> pictures.size() > 0);
    }

    /** How many pictures of a concept are held out. */
    int heldOutImages(int concept) {
        return heldOut.get(concept).size();
    }

    /** What is measured beside what CLIP says. */
    List<PictureMetric> more() {
        return more;
    }

    /** What tells unsafe pictures; null where nothing does. */
    @Nullable SampleSafety safety() {
        return safety;
    }

    /** As people are shown it. */
    Measured shown(Measured measured) throws IOException {
        return safety == null ? measured : safety.shown(measured);
    }

    /** Embeds the prompts once for all checkpoints, so that no text encoder is needed to draw them. */
    void embedPrompts() {
        if (!embedded && !spec.training().adaptsText()) {
            sampler.embed(prompts, manager);
            embedded = true;
        }
    }

    /**
     * Measures {@code trained} beside {@code base}; the base model itself where that is null.
     *
     * @param drew told how many pictures are there more, and whether they were drawn just now; may throw to end it
     */
    Measured measure(Checkpoint trained, @Nullable Measured base, Progress drew) throws IOException {
        List<Path> pictures = pictures(trained.step(), drew);
        Embeddings vectors = embedder.pictures(pictures);
        List<ConceptMetrics> byConcept = new ArrayList<>();
        List<PictureValues> values = new ArrayList<>();
        List<List<Memorisation.Nearest>> nearest = new ArrayList<>();
        for (int c = 0; c < meters.size(); c++) {
            List<Memorisation.Nearest> copies = copies(c, vectors, pictures);
            PictureValues own = new PictureValues(vectors, values(c, vectors, pictures, copies));
            byConcept.add(meters.get(c)
                    .measure(own, base == null ? own : base.values().get(c)));
            values.add(own);
            nearest.add(copies);
        }
        return MeasuredBuilder.builder()
                .trained(trained)
                .pictures(pictures)
                .metrics(ConceptMetrics.mean(byConcept))
                .byConcept(byConcept)
                .values(values)
                .nearest(nearest)
                .build();
    }

    private List<Memorisation.Nearest> copies(int concept, Embeddings vectors, List<Path> pictures) {
        int[] own = meters.get(concept).share().prompts();
        return memorisations
                .get(concept)
                .nearest(
                        vectors.take(own),
                        Arrays.stream(own).mapToObj(pictures::get).toList());
    }

    /** Numbers of each picture for a concept. */
    private Map<String, double[]> values(
            int concept, Embeddings vectors, List<Path> pictures, List<Memorisation.Nearest> copies) {
        ConceptShare share = meters.get(concept).share();
        Map<String, double[]> values = new LinkedHashMap<>();
        for (PictureMetric metric : more) {
            values.put(metric.name(), metric.of(share, pictures, vectors));
        }
        double[] memorised = new double[vectors.size()];
        Arrays.fill(memorised, Double.NaN);
        for (int i = 0; i < copies.size(); i++) {
            memorised[share.prompts()[i]] = copies.get(i).memorised() ? 1 : 0;
        }
        values.put(Memorisation.NAME, memorised);
        if (heldOut.get(concept).size() > 0) {
            Map<String, double[]> apart = HeldOut.values(vectors, share.training(), heldOut.get(concept));
            values.put(HeldOut.ALIGNMENT, apart.get(HeldOut.ALIGNMENT));
            values.put(HeldOut.OVERFIT, apart.get(HeldOut.OVERFIT));
        }
        return values;
    }

    /** Is told of pictures. */
    interface Progress {
        /** Pictures of an earlier process or stage were found. */
        void found(int more);

        /** Pictures were drawn. */
        void drew(int more);
    }

    private List<Path> pictures(int step, Progress progress) throws IOException {
        @Nullable Path file = step == 0
                ? null
                : CheckpointFiles.adapterFile(context.run(), context.workspace().train(), step);
        String key = PictureCache.key(
                data.manifest().baseModelDigest(),
                model.schedule(),
                spec.training().captions().maxTokens(),
                spec.training().captions().clipSkip(),
                (file == null ? "base" : digest(file) + strength()) + weights(),
                prompts,
                spec.sampling().steps(),
                spec.sampling().guidance(),
                spec.sampling().side(data.resolution()));
        List<Path> found = cache.find(key, prompts.size());
        if (found != null) {
            progress.found(found.size());
            return found;
        }
        embedPrompts();
        IntConsumer drew = progress::drew;
        if (spec.training().trainsModel()) {
            bring(file);
            return cache.put(key, prompts.size(), sink -> sampler.draw(prompts, null, manager, sink, drew));
        }
        try (LoraAdapter adapter = file == null ? null : AdapterFiles.read(file, model, manager)) {
            return cache.put(key, prompts.size(), sink -> sampler.draw(prompts, adapter, manager, sink, drew));
        }
    }

    private String digest(Path file) throws IOException {
        return spec.training().trainsModel() ? WholeModel.digest(file) : Sha256.of(file);
    }

    private String strength() {
        double strength = spec.sampling().adapterStrength();
        return strength == 1 ? "" : " at " + strength;
    }

    /** What measures while it trains may have other weights than what measures afterwards. */
    private String weights() {
        return model.baseWeights() == BaseWeights.Full ? "" : " on " + model.baseWeights();
    }

    /** Brings the weights of a checkpoint's file, or the base model's if that is null, into the model. */
    private void bring(@Nullable Path file) {
        if (file != null) {
            boolean texts = spec.training().adapter().textEncoder();
            WholeModel.of(context.baseModel(), model, texts).load(file);
        } else if (trainedIn) {
            model.releaseUnet();
            model.releasePrompts();
        }
        trainedIn = file != null;
    }
}
