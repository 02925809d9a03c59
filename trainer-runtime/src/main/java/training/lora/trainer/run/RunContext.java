package training.lora.trainer.run;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.BaseModelSpec;
import training.lora.api.BaseWeights;
import training.lora.api.CaptionTrainingSpec;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.Precision;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.SavedState;
import training.lora.api.Stage;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.face.FaceFiles;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.florence.FlorenceFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.ModelDigest;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.source.Source;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.source.Use;

/**
 * What a stage works with.
 *
 * @param run the run
 * @param attempt the stage's attempt, from 1
 * @param workspace where it reads and writes
 * @param sources finds what uris name
 * @param sink takes progress messages
 * @param surroundings the process's variables, and whether it was asked to end
 * @param manager the process's root of native memory
 * @param neighbours runs beside this one
 */
public record RunContext(
        RunSpec run,
        int attempt,
        Workspace workspace,
        Sources sources,
        Consumer<ProgressMessage> sink,
        Surroundings surroundings,
        NDManager manager,
        Neighbours neighbours) {
    private static final Logger LOG = LoggerFactory.getLogger(RunContext.class);

    /** Without others beside it. */
    public RunContext(
            RunSpec run,
            int attempt,
            Workspace workspace,
            Sources sources,
            Consumer<ProgressMessage> sink,
            Surroundings surroundings,
            NDManager manager) {
        this(run, attempt, workspace, sources, sink, surroundings, manager, Neighbours.NONE);
    }

    /** Whether the process was asked to end. */
    public BooleanSupplier stopping() {
        return surroundings.stopping();
    }

    /** What the spec names as places to read from. */
    public RunSources named() {
        return new RunSources(run.spec());
    }

    /**
     * Brings all that the spec names to this machine, and sees to it that files have the digests that it asks for.
     *
     * @throws TrainerException if something isn't there, can't be fetched or is another file
     */
    public void fetch() throws IOException {
        // Nothing is downloaded for a run that can't begin.
        Source model = named().baseModel();
        if (!model.remote() && !Files.exists(sources.place(model))) {
            // It says what is missing. An archive that is there is opened once its digest is known to be right.
            sources.existing(model);
        }
        try (FileDigests digests = workspace.digests()) {
            for (Source source : named().all()) {
                fetch(source, digests);
            }
        }
    }

    private void fetch(Source source, FileDigests digests) throws IOException {
        Path place = sources.place(source);
        if (source.remote() || source.sha256() == null) {
            return;
        }
        if (!Files.isRegularFile(place)) {
            throw source.wrong("must name one file where `%s` is set, but %s"
                    .formatted(
                            source.beside("sha256"),
                            Files.isDirectory(place) ? "names a folder" : "there is none at " + place));
        }
        String sha256 = digests.of(place);
        if (!sha256.equals(source.sha256())) {
            throw source.wrongDigest(sha256);
        }
    }

    /**
     * What captions pictures that come without.
     *
     * @throws TrainerException if the platform's captioner is wrong, where it counts
     */
    public CaptionSettings captioner() {
        return CaptionSettings.of(run.spec(), surroundings);
    }

    /** All places to read from, the model of the platform's captioner too, which is fetched only where it is needed. */
    public List<Source> everything() {
        List<Source> all = new ArrayList<>(named().all());
        Source model = platformsModel();
        if (model != null) {
            all.add(model);
        }
        return all;
    }

    private @Nullable Source platformsModel() {
        CaptionSettings captioner = captioner();
        return captioner.platforms() ? captioner.model() : null;
    }

    /**
     * Names and digests of the files of the model of the platform's captioner, which is fetched for it; empty where the
     * platform has none, or the spec names another.
     */
    public String platformsModelDigest(FileDigests digests) throws IOException {
        Source model = platformsModel();
        if (model == null) {
            return "";
        }
        fetch(model, digests);
        return digest(model, digests);
    }

    /** The base model's folder or file. */
    public Path baseModel() {
        return sources.existing(named().baseModel());
    }

    /** Folder or file of the autoencoder that takes the place of the model's own; null where none does. */
    private @Nullable Path vae() {
        Source vae = named().vae();
        return vae == null ? null : sources.existing(vae);
    }

    /**
     * sha256, hex, over the base model's files, those of the autoencoder that takes the place of its own, and the adapters
     * that are a part of it with their shares.
     */
    public String baseModelDigest(FileDigests digests) throws IOException {
        return new BaseParts(this).digest(ModelDigest.of(baseModel(), vae(), digests), digests);
    }

    /** sha256 of the adapter's file to go on from; null for a new adapter, and where the file is gone by now. */
    public @Nullable String initFromDigest(FileDigests digests) throws IOException {
        Source from = named().initFrom();
        return from == null || !Files.exists(sources.path(from)) ? null : digests.of(file(from));
    }

    /** sha256, hex, over the files of the models that help to prepare; empty where none does. */
    public String preparingDigest(FileDigests digests) throws IOException {
        StringBuilder all = new StringBuilder();
        for (Source model : named().preparing()) {
            all.append(digest(model, digests));
        }
        return all.isEmpty() ? "" : Sha256.of(all.toString());
    }

    /** The same of one of them; empty where {@code model} is null. */
    public String preparingDigest(@Nullable Source model, FileDigests digests) throws IOException {
        return model == null ? "" : Sha256.of(digest(model, digests));
    }

    private static String blipDigest(Source model, Path place, FileDigests digests) throws IOException {
        try {
            return ModelDigest.blip(place, digests);
        } catch (TrainerException e) {
            throw model.wrong("must name a BLIP model as transformers writes it, but it " + e.getMessage());
        }
    }

    /** A line for each file of a model that helps to prepare. */
    private String digest(Source model, FileDigests digests) throws IOException {
        Path place = sources.existing(model);
        if (model.use() == Use.Blip) {
            return "%s %s\n".formatted(model.parent(), blipDigest(model, place, digests));
        }
        List<Path> files =
                switch (model.use()) {
                    case Faces -> FaceFiles.all(model.field(), place);
                    case Florence -> FlorenceFiles.all(model.field(), place);
                    default -> OnnxFiles.all(model.field(), place);
                };
        StringBuilder all = new StringBuilder();
        for (Path file : files) {
            Path name = Files.isDirectory(place) ? place.relativize(file) : file.getFileName();
            all.append("%s %s %s\n".formatted(model.parent(), name, digests.of(file)));
        }
        return all.toString();
    }

    /** sha256, hex, over the files of the CLIP model that measures, and of what measures beside it, where there is any. */
    public String clipDigest(FileDigests digests) throws IOException {
        String clip = ModelDigest.of(clip(), null, digests);
        Path head = aesthetic();
        String both = head == null ? clip : Sha256.of(clip + "\n" + aestheticDigest(head, digests));
        Path faces = faces();
        return faces == null ? both : Sha256.of(both + "\nfaces " + digests.of(faces));
    }

    /** A network's weights may lie beside it. */
    private String aestheticDigest(Path file, FileDigests digests) throws IOException {
        Source head = named().aesthetic();
        return head != null && OnnxFiles.isGraph(file.toString()) ? digest(head, digests) : digests.of(file);
    }

    /**
     * What is trained from, as it is by now.
     *
     * @param data the digest of the data
     */
    public InputDigests inputDigests(String data) throws IOException {
        try (FileDigests digests = workspace.digests()) {
            return inputDigests(data, digests);
        }
    }

    /** The same, with digests that are remembered by the caller. */
    public InputDigests inputDigests(String data, FileDigests digests) throws IOException {
        return InputDigestsBuilder.builder()
                .data(data)
                .baseModel(baseModelDigest(digests))
                .initFrom(initFromDigest(digests))
                .build();
    }

    /**
     * Opens the base model as the spec says: text encoders that are trained in the training's precision, as they run at
     * every step, else in fp32.
     */
    public StableDiffusion openModel(NDManager parent) {
        return openToTrain(BaseWeights.Full, parent);
    }

    /** The same, with the weights of the denoiser, and of text encoders that are trained, kept as {@code form} says. */
    public StableDiffusion openToTrain(BaseWeights form, NDManager parent) {
        return openToTrain(form, 0, parent);
    }

    /** @param onHost share of the denoiser's weights that stay in the host's memory */
    public StableDiffusion openToTrain(BaseWeights form, double onHost, NDManager parent) {
        TrainingSpec training = run.spec().training();
        ModelOptions options = training.adaptsText()
                ? options(training.precision()).withBaseWeights(form, form)
                : options(Precision.Float32).withBaseWeights(form, BaseWeights.Full);
        return openModel(options.withWeightsOnHost(onHost), parent);
    }

    /** The same to embed texts once, which is done in fp32 whatever is trained on them. */
    public StableDiffusion openToEmbed(NDManager parent) {
        return openModel(options(Precision.Float32), parent);
    }

    private StableDiffusion openModel(ModelOptions options, NDManager parent) {
        StableDiffusion model = StableDiffusion.open(baseModel(), options, parent);
        try {
            new BaseParts(this).complete(model, parent);
            return model;
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    private ModelOptions options(Precision texts) {
        BaseModelSpec spec = run.spec().baseModel();
        CaptionTrainingSpec captions = run.spec().training().captions();
        return ModelOptions.in(run.spec().training().precision())
                .withFamily(spec.family())
                .withSchedule(spec.prediction(), spec.zeroTerminalSnr())
                .withVae(vae())
                .withTexts(captions.maxTokens(), captions.clipSkip())
                .withTextPrecision(texts);
    }

    /** The adapter's file to go on from, null for a new adapter. */
    public @Nullable Path initFrom() {
        Source from = named().initFrom();
        return from == null ? null : file(from);
    }

    /**
     * The file that makes an aesthetic score: a head on CLIP's vectors, or a network, .onnx; null where that is not measured.
     */
    public @Nullable Path aesthetic() {
        Source head = named().aesthetic();
        if (head == null) {
            return null;
        }
        Path place = sources.existing(head);
        return Files.isDirectory(place) ? OnnxFiles.graph(head.field(), place) : file(head);
    }

    /** The file of the model that tells people apart; null where faces are not measured. */
    public @Nullable Path faces() {
        Source model = named().faces();
        return model == null ? null : OnnxFiles.graph(model.field(), sources.existing(model));
    }

    Path file(Source from) {
        Path file = sources.path(from);
        if (!Files.isRegularFile(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a .safetensors file%s, but there is none at %s"
                            .formatted(from.field(), from.use() == Use.Aesthetic ? " or an .onnx network" : "", file));
        }
        return file;
    }

    /** The folder of the CLIP model that measures. */
    public Path clip() {
        return sources.folder(named().clip());
    }

    /**
     * Ends a stage that was asked to, at a place where the next attempt loses nothing.
     *
     * @param where what is done, as in "at step 3 of 10"
     * @throws TrainerException Preempted
     */
    public void stopIfAsked(String where) {
        if (stopping().getAsBoolean()) {
            throw new TrainerException(
                    Reason.Preempted, "the run was asked to stop " + where + "; the same command goes on from there");
        }
    }

    /** The newest state of the training from which another attempt can go on; null if there is none or it can't be read. */
    public @Nullable SavedState saved() {
        try {
            return SavedStates.newest(workspace.train());
        } catch (IOException e) {
            LOG.warn("the states of {} can't be read: {}", workspace.train(), e.toString());
            return null;
        }
    }

    /** Tells how far a stage is. */
    public void report(
            Stage stage,
            int step,
            int steps,
            @Nullable Integer remainingSeconds,
            List<Metric> metrics,
            @Nullable Checkpoint checkpoint) {
        sink.accept(ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId(run.runId())
                .stage(stage)
                .attempt(attempt)
                .step(step)
                .steps(steps)
                .time(Instant.now().truncatedTo(ChronoUnit.MILLIS).toString())
                .metrics(metrics)
                .estimatedRemainingSeconds(remainingSeconds)
                .checkpoint(checkpoint)
                .saved(stage == Stage.Train ? saved() : null)
                .build());
    }
}
