package training.lora.trainer.run;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.BaseModelSpec;
import training.lora.api.CaptionTrainingSpec;
import training.lora.api.Checkpoint;
import training.lora.api.ClipSpec;
import training.lora.api.InitFromSpec;
import training.lora.api.Metric;
import training.lora.api.Precision;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.SavedState;
import training.lora.api.Stage;
import training.lora.api.VaeSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.model.ModelDigest;
import training.lora.trainer.model.ModelOptions;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.source.Sources;

/**
 * What a stage works with.
 *
 * @param run the run
 * @param attempt the stage's attempt, from 1
 * @param workspace where it reads and writes
 * @param sources finds what uris name
 * @param sink takes progress messages
 * @param stopping whether the process was asked to end
 * @param manager the process's root of native memory
 */
public record RunContext(
        RunSpec run,
        int attempt,
        Workspace workspace,
        Sources sources,
        Consumer<ProgressMessage> sink,
        BooleanSupplier stopping,
        NDManager manager) {
    private static final Logger LOG = LoggerFactory.getLogger(RunContext.class);

    private static final String BUNDLED = "bundled://";

    private static final String INIT_FROM = "spec.training.initFrom.uri";

    private static final String BUNDLED_CLIP = "bundled://emoji-clip";

    /** The base model's folder or file. */
    public Path baseModel() {
        return sources.existing("spec.baseModel.uri", run.spec().baseModel().uri());
    }

    /** Folder or file of the autoencoder that takes the place of the model's own; null where none does. */
    private @Nullable Path vae() {
        VaeSpec vae = run.spec().baseModel().vae();
        return vae == null ? null : sources.existing("spec.baseModel.vae.uri", vae.uri());
    }

    /** sha256, hex, over the base model's files and those of the autoencoder that takes the place of its own. */
    public String baseModelDigest(FileDigests digests) throws IOException {
        return ModelDigest.of(baseModel(), vae(), digests);
    }

    /** sha256 of the adapter's file to go on from; null for a new adapter, and where the file is gone by now. */
    public @Nullable String initFromDigest(FileDigests digests) throws IOException {
        InitFromSpec from = run.spec().training().initFrom();
        return from == null || !Files.exists(sources.path(INIT_FROM, from.uri())) ? null : digests.of(file(from));
    }

    /** sha256, hex, over the files of the CLIP model that measures. */
    public String clipDigest(FileDigests digests) throws IOException {
        return ModelDigest.of(clip(), null, digests);
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
        boolean trained = run.spec().training().adapter().textEncoder();
        return openModel(trained ? run.spec().training().precision() : Precision.Float32, parent);
    }

    /** The same to embed texts once, which is done in fp32 whatever is trained on them. */
    public StableDiffusion openToEmbed(NDManager parent) {
        return openModel(Precision.Float32, parent);
    }

    private StableDiffusion openModel(Precision texts, NDManager parent) {
        BaseModelSpec spec = run.spec().baseModel();
        CaptionTrainingSpec captions = run.spec().training().captions();
        ModelOptions options = ModelOptions.in(run.spec().training().precision())
                .withFamily(spec.family())
                .withSchedule(spec.prediction(), spec.zeroTerminalSnr())
                .withVae(vae())
                .withTexts(captions.maxTokens(), captions.clipSkip())
                .withTextPrecision(texts);
        return StableDiffusion.open(baseModel(), options, parent);
    }

    /** The adapter's file to go on from, null for a new adapter. */
    public @Nullable Path initFrom() {
        InitFromSpec from = run.spec().training().initFrom();
        return from == null ? null : file(from);
    }

    private Path file(InitFromSpec from) {
        Path file = sources.path(INIT_FROM, from.uri());
        if (!Files.isRegularFile(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.initFrom.uri` must name a .safetensors file, but there is none at " + file);
        }
        return file;
    }

    /** The folder of the CLIP model that measures. */
    public Path clip() {
        return sources.folder("spec.evaluation.clip.uri", clipUri());
    }

    /** What names the CLIP model that measures. */
    public String clipUri() {
        ClipSpec clip = run.spec().evaluation().clip();
        if (clip != null) {
            return clip.uri();
        }
        String base = run.spec().baseModel().uri();
        if (!base.startsWith(BUNDLED)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.evaluation.clip.uri` must name a CLIP model (or `spec.evaluation.enabled` be false), because"
                            + " the base model " + base + " comes with none");
        }
        return BUNDLED_CLIP;
    }

    /**
     * Ends a stage that was asked to, at a place where the next attempt loses nothing.
     *
     * @param where what is done, as in "at step 3 of 10"
     * @throws TrainerException Preempted
     */
    public void stopIfAsked(String where) {
        if (stopping.getAsBoolean()) {
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
