package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.ConceptMode;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.api.TokensSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.TokenSpan;
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
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.prepare.mask.MaskFiles;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.trained.InterruptedTraining;

/** Reads the data sets, and writes the prepared one: into a temporary folder that is renamed when it is whole. */
public final class PrepareStage {
    private static final Logger LOG = LoggerFactory.getLogger(PrepareStage.class);

    /** Where archives are unpacked to. */
    static final String UNPACKED = "unpacked";

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
        tell(Captioning.note(samples, context.captioner()));
        tell(TextNotes.withoutWords(samples));
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

    /**
     * In whose place new tokens stand is lost to captions: the default trigger, which is an accident of the vocabulary, is not.
     * Names that tokens begin among must be some of the model's.
     */
    private void requireNewWords(StableDiffusion model) {
        TokensSpec tokens = spec.training().tokens();
        if (!tokens.any()) {
            return;
        }
        if (tokens.basis() != null) {
            TokenSpan.check(tokens.basis(), tokens.count(), model.prompts().vocabularies());
        }
        List<@Nullable String> own = new ArrayList<>();
        spec.datasets()
                .forEach(data ->
                        own.add(data.concept() == null ? null : data.concept().trigger()));
        for (String trigger : Concepts.of(spec.datasets()).triggers()) {
            if (!trigger.equals(ConceptMode.TRIGGER) && model.prompts().isOneToken(trigger)) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`spec.datasets[%d].concept.trigger` must be a word that the base model doesn't know where `spec.training.tokens` are trained, was %s"
                                .formatted(own.indexOf(trigger), trigger));
            }
        }
    }

    /** Targets that match nothing should be known before anything is encoded. */
    private void checkTrained(StableDiffusion model, NDManager manager) {
        try (UNet outline = model.outline(manager)) {
            AdapterFiles.check(spec, context.initFrom(), model, outline);
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
            checkTrained(model, manager);
            requireNewWords(model);
            tell(knownTriggers(model));
            RawData raw = RawData.read(context, temporary.resolve(UNPACKED), digests);
            List<Item> items = raw.items();
            raw.notes().forEach(this::tell);
            tell(TextNotes.invisible(items));
            tell(spec.preparation().captions().wildcards() ? null : TextNotes.choices(items));
            Geometry geometry = Geometry.of(spec, items, model);
            if (geometry.plain()) {
                geometry.counts().tellLength(items);
            }
            MaskFiles.check(spec.preparation().mask().source(), items);
            InputDigests inputs = context.inputDigests(raw.digest(), digests);
            // Before anything is made anew, which the interrupted training still needs.
            InterruptedTraining.requireSame(context, inputs, DataChanges.since(folder.manifest(), raw));
            String key = key(inputs, geometry, items);
            if (folder.holds(key)) {
                DatasetManifest held = folder.adopt(inputs, spec);
                tellOfCaptions(held.samples(), model);
                return held;
            }
            StepCache cache = StepCache.open(context.workspace().made());
            PrepareProgress progress = new PrepareProgress(
                    items.size(),
                    (done, all, seconds) -> context.report(Stage.Prepare, done, all, seconds, List.of(), null));
            DatasetMaker maker = new DatasetMaker(
                    context,
                    DatasetMakerInputsBuilder.builder()
                            .raw(raw)
                            .geometry(geometry)
                            .model(model)
                            .baseModel(inputs.baseModel())
                            .rewriting(rewriting)
                            .cache(cache)
                            .digests(digests)
                            .folder(temporary)
                            .notes(notes)
                            .build());
            DatasetMaker.Made made = maker.make(progress, manager, samples -> tellOfCaptions(samples, model));
            Folders.delete(temporary.resolve(UNPACKED));
            DatasetManifest manifest = DatasetManifestBuilder.builder()
                    .version(DatasetManifest.VERSION)
                    .key(key)
                    .digest(inputs.data())
                    .baseModelDigest(inputs.baseModel())
                    .model(model.family().name())
                    .resolution(geometry.resolution())
                    .samples(made.samples())
                    .files(PreparedDataset.digests(temporary))
                    .initFromDigest(inputs.initFrom())
                    .spec(spec)
                    .note(made.note())
                    .build();
            Json.PRETTY.writeValue(temporary.resolve(PreparedDataset.MANIFEST).toFile(), manifest);
            folder.replaceBy(temporary);
            cache.deleteUnused();
            told(cache);
            LOG.info("{} pictures of {} pixels in {}", made.samples().size(), geometry.resolution(), target);
            return manifest;
        } finally {
            Folders.delete(temporary);
        }
    }

    private static void told(StepCache cache) {
        LOG.info(
                "made anew: {} pictures, {} masks, {} text embeddings, {} latents",
                cache.made(Step.PICTURE),
                cache.made(Step.MASK),
                cache.made(Step.TEXT),
                cache.made(Step.LATENTS));
    }

    /** All that prepared data depend on. */
    private String key(InputDigests inputs, Geometry geometry, List<Item> items) {
        return Sha256.of(DatasetManifest.VERSION + "\n" + StepCache.versions() + "\n" + inputs.data() + "\n"
                + inputs.baseModel() + "\n" + geometry.resolution()
                + "\n" + spec.training().captions().maxTokens() + "\n"
                + spec.training().captions().clipSkip()
                + "\n" + spec.preparation().background() + "\n"
                + spec.preparation().maxPixels()
                + "\n" + geometry.placement().key(items.get(0)) + "\n"
                + geometry.copies().key()
                + Rewriting.reportKey(spec.preparation().captions(), items)
                // Captions that a review has changed are no other run's.
                + (CaptionReview.pauses(spec) ? "\nreviewed" : ""));
    }
}
