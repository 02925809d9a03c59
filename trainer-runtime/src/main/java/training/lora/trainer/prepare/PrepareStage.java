package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestBuilder;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.UNet;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.PicturePipeline.Steps;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.prepare.augment.Copies;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.mask.MaskFiles;
import training.lora.trainer.prepare.mask.MaskMaker;
import training.lora.trainer.prepare.mask.MaskMakers;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.Swin2Sr;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.prepare.place.Placement;
import training.lora.trainer.prepare.place.Placements;
import training.lora.trainer.prepare.report.DataReport;
import training.lora.trainer.prepare.report.DataReportBuilder;
import training.lora.trainer.prepare.report.Reports;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.safety.SafetyCheck;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.source.Source;
import training.lora.trainer.train.TrainStage;

/** Reads the data sets, and writes the prepared one: into a temporary folder that is renamed when it is whole. */
public final class PrepareStage {
    private static final Logger LOG = LoggerFactory.getLogger(PrepareStage.class);

    /** Where archives are unpacked to. */
    static final String UNPACKED = "unpacked";

    /** Where small copies of whole pictures are, while they are looked at. */
    private static final String WHOLE = "whole";

    /** How many pictures are named in a note. */
    private static final int NAMED = 5;

    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final List<String> notes = new ArrayList<>();

    private PrepareStage(RunContext context) {
        this.context = context;
        this.spec = context.run().spec();
    }

    /**
     * What the stage came to.
     *
     * @param note what people should know of the data, in a sentence; null if nothing
     */
    public record Result(DatasetManifest data, @Nullable String note) {}

    /** What an archive of a data set is unpacked to while it is read. */
    public static Path unpacked(Workspace workspace, String dataset) {
        return workspace.preparing().resolve(UNPACKED).resolve(dataset);
    }

    /** Runs the stage. */
    public static Result run(RunContext context) throws IOException {
        LoraTrainingSpec spec = context.run().spec();
        // Before anything is fetched or read: hours should not end in the platform's mistake.
        context.captioner();
        context.fetch();
        Concepts concepts = Concepts.of(spec.datasets());
        concepts.given("spec.sampling.prompts", spec.sampling().prompts());
        if (spec.evaluation().enabled()) {
            // Hours of training should not end in a missing CLIP model, or in a concept that nothing measures.
            context.clip();
            context.aesthetic();
            context.faces();
            concepts.requireAll("spec.evaluation.prompts", spec.evaluation().prompts());
        }
        PrepareStage stage = new PrepareStage(context);
        DatasetManifest data = stage.run();
        stage.tell(data.note());
        stage.notes.addAll(context.sources().notes());
        return new Result(data, stage.notes.isEmpty() ? null : String.join("; ", stage.notes));
    }

    private void tell(@Nullable String note) {
        if (note != null) {
            LOG.warn("{}", note);
            notes.add(note);
        }
    }

    private void tellOfCaptions(List<Sample> samples, StableDiffusion model) {
        tell(Captioning.note(samples));
        tell(withoutWords(samples));
        tell(TextNotes.cutCaptions(samples, limit(model)));
        tellOfPrompts(model);
    }

    static TextNotes.Limit limit(StableDiffusion model) {
        return new TextNotes.Limit(model.prompts().longest(), model.prompts()::cuts);
    }

    private void tellOfPrompts(StableDiffusion model) {
        Concepts concepts = Concepts.of(spec.datasets());
        tell(TextNotes.cutPrompts(
                spec.sampling().enabled()
                        ? concepts.given(
                                "spec.sampling.prompts", spec.sampling().prompts())
                        : List.of(),
                spec.evaluation().enabled()
                        ? concepts.given(
                                "spec.evaluation.prompts", spec.evaluation().prompts())
                        : List.of(),
                limit(model)));
    }

    /** A trigger that the text encoders know already is free to use, but what it meant is trained over. */
    private @Nullable String knownTriggers(StableDiffusion model) {
        List<String> triggers = new ArrayList<>(Concepts.of(spec.datasets()).triggers());
        triggers.add(spec.preparation().captions().prefix().replaceAll("[\\s,]+$", ""));
        List<String> known = triggers.stream()
                .filter(t -> !t.isEmpty() && model.prompts().isOneToken(t))
                .map(t -> "\"" + t + "\"")
                .toList();
        return known.isEmpty()
                ? null
                : "the base model knows %s as a word of its own, whose meaning is trained over; a made-up word starts from none"
                        .formatted(String.join(", ", known));
    }

    /** Targets that match nothing should be known before anything is encoded. */
    private void checkAdapter(StableDiffusion model, NDManager manager) {
        try (UNet outline = model.outline(manager)) {
            AdapterFiles.start(spec.training(), context.initFrom(), model, outline, manager)
                    .close();
        }
    }

    private DatasetManifest run() throws IOException {
        Path target = context.workspace().dataset();
        PreparedFolder folder = new PreparedFolder(context.workspace());
        folder.requireOwn();
        Path temporary = context.workspace().preparing();
        Folders.delete(temporary);
        Files.createDirectories(temporary);
        try (NDManager manager = context.manager().newSubManager();
                FileDigests digests = context.workspace().digests();
                StableDiffusion model = context.openToEmbed(manager);
                Rewriting rewriting = new Rewriting(spec, model.prompts()::isOneToken, this::tell)) {
            checkAdapter(model, manager);
            tell(knownTriggers(model));
            RawData raw = RawData.read(context, temporary.resolve(UNPACKED), digests);
            List<Item> items = raw.items();
            raw.notes().forEach(this::tell);
            Copies copies = Copies.of(items, spec.preparation(), spec.training().seed());
            PictureCounts counts = new PictureCounts(spec, copies);
            counts.require(items);
            tell(TextNotes.invisible(items));
            List<Integer> resolutions = Placements.resolutions(spec.preparation(), model.resolution());
            int resolution = Collections.max(resolutions);
            Placement placement = Placements.of(spec.preparation(), resolutions, items);
            boolean plain = placement instanceof CentreCrop && !copies.any();
            if (plain) {
                counts.tellLength(items);
            }
            MaskFiles.check(spec.preparation().mask().source(), items);
            InputDigests inputs = context.inputDigests(raw.digest(), digests);
            // Before anything is made anew, which the interrupted training still needs.
            TrainStage.requireSame(context, inputs, DataChanges.since(folder.manifest(), raw), manager);
            String key = Sha256.of(DatasetManifest.VERSION + "\n" + StepCache.versions() + "\n" + inputs.data() + "\n"
                    + inputs.baseModel() + "\n" + resolution
                    + "\n" + spec.training().captions().maxTokens() + "\n"
                    + spec.training().captions().clipSkip()
                    + "\n" + spec.preparation().background() + "\n"
                    + spec.preparation().maxPixels()
                    + "\n" + placement.key(items.get(0)) + "\n" + copies.key()
                    + Rewriting.reportKey(spec.preparation().captions(), items)
                    // Captions that a review has changed are no other run's.
                    + (CaptionReview.pauses(spec) ? "\nreviewed" : ""));
            if (folder.holds(key)) {
                DatasetManifest held = folder.adopt(inputs, spec);
                tellOfCaptions(held.samples(), model);
                return held;
            }
            PictureOptions options = new PictureOptions(
                    spec.preparation().background(), spec.preparation().maxPixels());
            StepCache cache = StepCache.open(context.workspace().made());
            PrepareProgress progress = new PrepareProgress(
                    items.size(),
                    (done, all, seconds) -> context.report(Stage.Prepare, done, all, seconds, List.of(), null));
            List<PreparedItem> prepared;
            List<String> unreadable;
            List<String> animated;
            String unfound;
            rewriting.open(context, cache, progress);
            Captioning captioning = new Captioning(context, cache, digests, progress);
            Map<String, List<String>> found = rewriting.segmentPrompts(
                    items, some -> captioning.glance(some, options, temporary.resolve(WHOLE), context.manager()));
            try (MaskMaker masks = MaskMakers.open(context, digests, found);
                    Swin2Sr enlarger = enlarger(digests)) {
                Steps steps = PicturePipelineStepsBuilder.builder()
                        .placement(placement)
                        .copies(copies)
                        .factor(model.factor())
                        .options(options)
                        .masks(masks)
                        .enlarger(enlarger)
                        .build();
                PicturePipeline pipeline = new PicturePipeline(context::stopIfAsked, steps, cache, temporary, progress);
                prepared = pipeline.run(items, raw.digests());
                animated = pipeline.animated();
                unreadable = pipeline.unreadable();
                unfound = pipeline.unfound(prepared);
            }
            leaveOut(unreadable, prepared);
            counts.requirePrepared(prepared);
            String unsafe = unsafe(prepared, temporary);
            HeldOut heldOut = new HeldOut(options);
            prepared.forEach(heldOut::add);
            String left = unreadable.isEmpty()
                    ? null
                    : "pictures that can't be read are left out: " + Names.some(unreadable, NAMED);
            String first = animated.isEmpty()
                    ? null
                    : "the first picture of an animation is what is trained on: " + Names.some(animated, NAMED);
            String note = Stream.of(left, first, unsafe, unfound, heldOut.check())
                    .filter(Objects::nonNull)
                    .collect(Collectors.collectingAndThen(Collectors.joining("; "), all -> all.isEmpty() ? null : all));
            List<Sample> samples =
                    PreparedSamples.of(prepared, raw, captions(prepared, temporary, captioning, rewriting));
            if (!plain) {
                counts.tellLengthOf(samples);
            }
            tellOfCaptions(samples, model);
            CaptionsFile.write(samples, temporary);
            PreparedSamples.writeMasks(prepared, temporary, manager);
            DataReport report = DataReportBuilder.builder(Reports.of(
                            PreparedSamples.reported(prepared, samples, model),
                            model.prompts().longest()))
                    .concepts(rewriting.concepts())
                    .language(rewriting.cost())
                    .build();
            List<String> pictureDigests = prepared.stream()
                    .flatMap(item -> item.pictures().stream())
                    .map(PreparedPicture::digest)
                    .toList();
            new DatasetEncoder(context, model, inputs.baseModel(), cache, progress)
                    .write(samples, pictureDigests, temporary);
            Reports.write(report, temporary, PreparedSamples.masks(prepared)::apply);
            Folders.delete(temporary.resolve(UNPACKED));
            DatasetManifest manifest = DatasetManifestBuilder.builder()
                    .version(DatasetManifest.VERSION)
                    .key(key)
                    .digest(inputs.data())
                    .baseModelDigest(inputs.baseModel())
                    .model(model.family().name())
                    .resolution(resolution)
                    .samples(samples)
                    .files(PreparedDataset.digests(temporary))
                    .initFromDigest(inputs.initFrom())
                    .spec(spec)
                    .note(note)
                    .build();
            Json.PRETTY.writeValue(temporary.resolve(PreparedDataset.MANIFEST).toFile(), manifest);
            folder.replaceBy(temporary);
            cache.deleteUnused();
            LOG.info(
                    "made anew: {} pictures, {} masks, {} text embeddings, {} latents",
                    cache.made(Step.PICTURE),
                    cache.made(Step.MASK),
                    cache.made(Step.TEXT),
                    cache.made(Step.LATENTS));
            LOG.info("{} pictures of {} pixels in {}", samples.size(), resolution, target);
            return manifest;
        } finally {
            Folders.delete(temporary);
        }
    }

    /** Pictures are learned without words as well, but no prompt calls what they show. */
    private static @Nullable String withoutWords(List<Sample> samples) {
        List<String> empty = samples.stream()
                .filter(sample -> sample.caption().isEmpty() && sample.captionFrom() != null)
                .map(Sample::name)
                .toList();
        return empty.isEmpty()
                ? null
                : "a caption should say what its picture shows, but %d of %d are empty, such as that of %s"
                        .formatted(empty.size(), samples.size(), empty.get(0));
    }

    /**
     * Looks at the pictures that are trained on, where that is asked for.
     *
     * @return which are unsafe, in a sentence; null if none, or nothing looks
     * @throws TrainerException InvalidData if they are refused
     */
    private @Nullable String unsafe(List<PreparedItem> prepared, Path folder) {
        try (SafetyCheck safety = SafetyCheck.open(context)) {
            if (safety == null) {
                return null;
            }
            for (PreparedItem item : prepared) {
                context.stopIfAsked("while it looked for unsafe pictures");
                for (PreparedPicture picture : item.pictures()) {
                    safety.isUnsafe(item.item().name(), Picture.read(folder.resolve(picture.file())));
                }
            }
            String sentence = safety.sentence();
            if (sentence != null && safety.refuses()) {
                throw new TrainerException(Reason.InvalidData, sentence);
            }
            return sentence;
        }
    }

    /** Pictures that can't be read are left out, unless that is asked to be an error or most of them can't. */
    private void leaveOut(List<String> unreadable, List<PreparedItem> prepared) {
        unreadable.forEach(picture -> LOG.warn("{}", picture));
        if (!unreadable.isEmpty() && (spec.preparation().strict() || unreadable.size() > prepared.size())) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "every picture must be readable%s, but these are not: %s"
                            .formatted(
                                    spec.preparation().strict() ? " (`spec.preparation.strict`)" : "",
                                    String.join(", ", unreadable)));
        }
    }

    private @Nullable Swin2Sr enlarger(FileDigests digests) throws IOException {
        Source source = context.named().upscaler();
        return source == null
                ? null
                : Swin2Sr.open(source.field(), context.sources().existing(source), digests);
    }

    private List<Captioning.Caption> captions(
            List<PreparedItem> prepared, Path folder, Captioning captioning, Rewriting rewriting) throws IOException {
        List<Captioning.Caption> captions = captioning.captions(prepared, folder, rewriting, context.manager());
        List<String> costs = new ArrayList<>(captioning.costs());
        ChatApi.Cost language = rewriting.cost();
        if (language != null) {
            costs.add(language.sentence());
        }
        for (String cost : costs) {
            LOG.info("{}", cost);
            notes.add(cost);
        }
        return captions;
    }
}
