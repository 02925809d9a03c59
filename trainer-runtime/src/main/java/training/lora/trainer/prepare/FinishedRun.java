package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Manifest;
import training.lora.api.Stage;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Folders;
import training.lora.trainer.publish.Output;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.SpecScope;
import training.lora.trainer.source.Source;

/**
 * Whether the output holds this very run, finished: of the same owner and spec, and made from what its files hold today. What
 * is gone by now is taken as it was, since a result needs nothing that it was made from; and as long as something is gone that
 * making it anew needs, it stays finished whatever else changed.
 */
public final class FinishedRun {
    private static final Logger LOG = LoggerFactory.getLogger(FinishedRun.class);

    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final Manifest manifest;
    private final InputDigests before;
    private final FileDigests digests;
    private final RemoteSources remote;
    private final List<String> goneData = new ArrayList<>();
    private final List<String> gone = new ArrayList<>();
    private @Nullable String unreadable;

    /**
     * What was found.
     *
     * @param manifest of the finished run; null if there is something to do
     * @param note a sentence on what changed since or is gone; null if nothing
     * @param prepared the data to go on with, where there is something to do and their sources are gone; else null
     */
    public record Found(
            @Nullable Manifest manifest,
            @Nullable String note,
            @Nullable DatasetManifest prepared) {}

    private FinishedRun(RunContext context, Manifest manifest, RemoteSources remote, FileDigests digests) {
        this.remote = remote;
        this.context = context;
        this.spec = context.run().spec();
        this.manifest = manifest;
        this.digests = digests;
        this.before = InputDigestsBuilder.builder()
                .data(manifest.datasetDigest())
                .baseModel(manifest.baseModelDigest())
                .initFrom(manifest.initFromDigest())
                .captions(manifest.captionsDigest())
                .clip(manifest.clipDigest())
                .build();
    }

    /**
     * Looks before {@code stage} begins.
     *
     * @param reviewed whether a person says that the captions in the output are as they should be
     */
    public static Found look(RunContext context, Stage stage, boolean reviewed) throws IOException {
        Manifest manifest =
                Output.published(context.run().owner(), context.workspace()).manifest();
        if (manifest == null
                || !manifest.finished()
                || !manifest.runId().equals(context.run().runId())) {
            return new Found(null, null, null);
        }
        // First, since it may fetch, which remembers digests too.
        RemoteSources remote = RemoteSources.look(context, manifest, stage == Stage.Prepare);
        try (FileDigests digests = context.workspace().digests()) {
            Found found = new FinishedRun(context, manifest, remote, digests).look(stage == Stage.Prepare, reviewed);
            if (found.note() != null) {
                LOG.warn("{}", found.note());
            }
            return found;
        }
    }

    private Found look(boolean prepares, boolean reviewed) throws IOException {
        PreparedFolder folder = new PreparedFolder(context.workspace());
        DatasetManifest prepared = folder.manifest();
        // First, since the data need be readable only where nothing else is gone.
        String baseModel = baseModel();
        String initFrom = initFrom();
        String clip = clip();
        boolean reads = prepares && !remote.asBefore(data());
        RawData sources = reads ? readableSources() : null;
        String data = prepares ? before.data() : trainedOn(prepared);
        InputDigests now = InputDigestsBuilder.builder()
                .data(sources == null ? data : sources.digest())
                .baseModel(baseModel)
                .initFrom(initFrom)
                .clip(clip)
                .build();
        List<String> training = before.trainingChanges(
                now, sources == null ? InputDigests.SOME_DATA : DataChanges.since(prepared, sources));
        if (reviewed && CaptionReview.edited(context, manifest)) {
            training.add("captions were edited in its " + CaptionTables.PREPARED);
        }
        if (unreadable != null) {
            training.add("the data can't be read: " + unreadable);
        }
        List<String> all = new ArrayList<>(training);
        if (before.measuredByAnother(now)) {
            all.add("the files of `spec.evaluation.clip` have changed");
        }
        if (all.isEmpty()) {
            return finished(all);
        }
        boolean measures = training.isEmpty();
        if (!gone.isEmpty() || (!goneData.isEmpty() && !(measures && stands(folder, prepared)))) {
            return finished(all);
        }
        // The stages after it needn't say it again.
        String note = "the run in %s was finished, and is %s anew because %s"
                .formatted(
                        context.workspace().output(),
                        measures ? "measured" : "trained",
                        String.join(", ", measures ? all : training));
        return new Found(null, prepares ? note : null, goneData.isEmpty() ? null : prepared);
    }

    private Found finished(List<String> changes) {
        List<String> missing = new ArrayList<>(goneData);
        missing.addAll(gone);
        String note = "the run in %s stays finished, though nothing is left at %s to compare it with%s"
                .formatted(
                        context.workspace().output(),
                        String.join(", ", missing),
                        changes.isEmpty() ? "" : ", and though " + String.join(", ", changes));
        return new Found(manifest, missing.isEmpty() ? null : note, null);
    }

    /** Whether the prepared data are those of the run, so that what measures it needs no others. */
    private boolean stands(PreparedFolder folder, @Nullable DatasetManifest prepared) throws IOException {
        return prepared != null
                && isForThis(prepared)
                && prepared.digest().equals(before.data())
                && folder.holds(prepared.key());
    }

    /** The same as {@link #sources}; null also where nothing could be made of them, since something else is gone. */
    private @Nullable RawData readableSources() throws IOException {
        try {
            return sources();
        } catch (TrainerException e) {
            if (gone.isEmpty()) {
                throw e;
            }
            unreadable = e.getMessage();
            return null;
        }
    }

    /** The digest of the data that the stages after prepare work on; those of another spec tell nothing of this run. */
    private String trainedOn(@Nullable DatasetManifest prepared) throws IOException {
        if (prepared == null || !isForThis(prepared) || prepared.digest().equals(before.data())) {
            return before.data();
        }
        try {
            RawData sources = sources();
            // What was prepared is trained on, so that it doesn't matter whether its sources are gone.
            goneData.clear();
            // What was changed and prepared may be as it was again.
            return sources != null && sources.digest().equals(before.data()) ? before.data() : prepared.digest();
        } catch (TrainerException e) {
            LOG.debug("the data can't be read", e);
            return prepared.digest();
        }
    }

    private boolean isForThis(DatasetManifest prepared) {
        return prepared.spec() != null
                && SpecScope.Preparation.changes(prepared.spec(), spec).isEmpty();
    }

    /** The data sets, and the models that help to prepare them. */
    private List<Source> data() {
        List<Source> all = new ArrayList<>(context.named().datasets());
        all.addAll(context.named().preparing());
        return all;
    }

    /** The data as they are today; null where one of their sources is gone. */
    private @Nullable RawData sources() throws IOException {
        boolean there = true;
        for (Source source : data()) {
            there &= isThere(source, goneData);
        }
        if (!there) {
            return null;
        }
        Path temporary = context.workspace().preparing();
        Folders.delete(temporary);
        try {
            return RawData.read(context, temporary.resolve(PrepareStage.UNPACKED), digests);
        } finally {
            Folders.delete(temporary);
        }
    }

    private String baseModel() throws IOException {
        List<Source> all = context.named().wholeBaseModel();
        if (remote.asBefore(all)) {
            return before.baseModel();
        }
        boolean there = true;
        for (Source source : all) {
            there &= isThere(source, gone);
        }
        return there ? context.baseModelDigest(digests) : before.baseModel();
    }

    private @Nullable String initFrom() throws IOException {
        Source from = context.named().initFrom();
        if (from != null && remote.asBefore(List.of(from))) {
            return before.initFrom();
        }
        return from == null || !isThere(from, gone) ? null : context.initFromDigest(digests);
    }

    private @Nullable String clip() throws IOException {
        if (!spec.evaluation().enabled()) {
            return null;
        }
        List<Source> measuring = context.named().measuring();
        if (remote.asBefore(measuring)) {
            return before.clip();
        }
        boolean there = true;
        for (Source source : measuring) {
            there &= isThere(source, gone);
        }
        return there ? context.clipDigest(digests) : null;
    }

    /** Whether there is anything; a folder that nothing is mounted on is empty. */
    private boolean isThere(Source source, List<String> missing) throws IOException {
        String problem = remote.problem(source);
        if (problem != null) {
            missing.add("`%s` %s (it %s)".formatted(source.field(), source.shown(), problem));
            return false;
        }
        boolean there = false;
        try {
            Path path = context.sources().path(source);
            there = Files.isDirectory(path) ? !isEmpty(path) : Files.exists(path);
        } catch (TrainerException e) {
            LOG.debug("{} can't be found", source, e);
        }
        if (!there) {
            missing.add("`%s` %s".formatted(source.field(), source.shown()));
        }
        return there;
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.findAny().isEmpty();
        }
    }
}
