package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Manifest;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestBuilder;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.prepare.LatentMasks.LatentMask;
import training.lora.trainer.prepare.report.DataReport;
import training.lora.trainer.prepare.report.DataReport.ReportedPicture;
import training.lora.trainer.prepare.report.DataReportReportedPictureBuilder;
import training.lora.trainer.prepare.report.Reports;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.trained.InterruptedTraining;

/**
 * The wait between prepare and train in which a person looks at the captions: they are put into the output, and what stands
 * there when the run goes on is trained on. What a person wrote there is never overwritten before the training ends.
 */
public final class CaptionReview {
    private static final Logger LOG = LoggerFactory.getLogger(CaptionReview.class);

    /** Where a caption is from that a person wrote. */
    static final String FROM = "review";

    private static final int NAMED = 3;

    private final RunContext context;
    private final ReviewFile file;

    /** The data as an earlier preparation left them; null if none did. */
    private final @Nullable DatasetManifest before;

    private CaptionReview(RunContext context, @Nullable DatasetManifest before) throws IOException {
        this.context = context;
        this.file = ReviewFile.of(context.run().owner(), context.workspace());
        this.before = before;
    }

    /** Whether a run waits for its captions. */
    public static boolean pauses(LoraTrainingSpec spec) {
        return spec.preparation().captions().pauseForReview();
    }

    /** Before the data are prepared; null where the run doesn't wait. */
    public static @Nullable CaptionReview begin(RunContext context) throws IOException {
        if (!pauses(context.run().spec())) {
            return null;
        }
        return new CaptionReview(context, new PreparedFolder(context.workspace()).manifest());
    }

    /** Where the captions wait, for messages. */
    public static String place(Owner owner, Workspace workspace) throws IOException {
        return ReviewFile.of(owner, workspace).place();
    }

    /** Whether the captions in the output are others than those that the finished run was trained on. */
    static boolean edited(RunContext context, Manifest finished) throws IOException {
        return pauses(context.run().spec())
                && finished.files().stream().anyMatch(file -> file.uri().equals(CaptionTables.PREPARED))
                && ReviewFile.of(context.run().owner(), context.workspace()).ofResultEdited() != null;
    }

    /**
     * What was put into the output.
     *
     * @param captions the file
     * @param note what people should know of it, in a sentence; null if nothing
     */
    public record Offer(Artifact captions, @Nullable String note) {}

    /**
     * Puts the captions of the prepared data into the output. Of captions that a person wrote there before, those of pictures
     * that are still prepared stay; a file that can't be read stays as it is.
     */
    public Offer offer(DatasetManifest data) throws IOException {
        ReviewFile.Found written = file.written();
        ReviewFile.Found there = written == null ? file.ofResult() : written;
        if (there == null) {
            return new Offer(put(data.samples()), null);
        }
        if (written != null && before != null && before.samples().equals(data.samples())) {
            return new Offer(file.waits(written) ? file.artifact(written) : file.put(written.content()), null);
        }
        try {
            ReviewedCaptions lines = ReviewedCaptions.read(there.place(), there.content());
            CarriedCaptions carried = CarriedCaptions.of(
                    data.samples(),
                    before == null ? List.of() : before.samples(),
                    // Nobody has touched what stands there as it was published, so the rest of it is not a person's.
                    written == null ? lines.byPerson() : lines,
                    new CaptionRules(context.run().spec()));
            String note = carried.kept().isEmpty()
                    ? null
                    : "%s keeps what was written of %s".formatted(file.place(), Names.some(carried.kept(), NAMED));
            if (note != null) {
                LOG.info("{}", note);
            }
            return new Offer(put(carried.samples()), note);
        } catch (TrainerException e) {
            String note =
                    e.getMessage() + "; it stays as it is, and without it the captions would be as they are prepared";
            LOG.warn("{}", note);
            return new Offer(file.artifact(there), note);
        }
    }

    private Artifact put(List<Sample> samples) throws IOException {
        return file.put(content(samples).getBytes(StandardCharsets.UTF_8));
    }

    private String content(List<Sample> samples) {
        return CaptionsFile.content(samples, new CaptionRules(context.run().spec()));
    }

    /**
     * Takes the captions that stand in the output for those of the prepared data, and makes the text embeddings of those that
     * are others.
     *
     * @return what people should know of it, in a sentence; null if nothing
     * @throws TrainerException InvalidCaptions if they are no captions of the prepared pictures; the data stay as they were
     */
    public static @Nullable String take(RunContext context) throws IOException {
        DatasetManifest data = PreparedDataset.manifest(context.workspace().dataset());
        data.requireFor(context);
        return new CaptionReview(context, data).take(data);
    }

    private @Nullable String take(DatasetManifest data) throws IOException {
        ReviewFile.Found there = file.written();
        if (data.captionsDigest() != null && InterruptedTraining.isIn(context)) {
            return there == null || digest(there, data).equals(data.captionsDigest())
                    ? null
                    : "%s was edited after the training had begun, which goes on with the captions that it began with"
                            .formatted(there.place());
        }
        if (there == null && isTrainedOn(data)) {
            return null;
        }
        if (there == null) {
            put(data.samples());
            throw new TrainerException(
                    Reason.InvalidCaptions,
                    "%s must hold the captions, but was not there; it was written again as it was prepared"
                            .formatted(file.place()));
        }
        List<Sample> samples = ReviewedCaptions.read(there.place(), there.content())
                .of(data.samples(), context.run().spec());
        List<String> changed = new ArrayList<>();
        for (int i = 0; i < samples.size(); i++) {
            if (!samples.get(i).equals(data.samples().get(i))) {
                changed.add(samples.get(i).name());
            }
        }
        String digest = digest(samples);
        Path folder = context.workspace().dataset();
        // A process that was killed may have left the embeddings of other captions than the manifest's.
        boolean embedded = changed.isEmpty()
                && Sha256.of(folder.resolve(PreparedDataset.TEXT))
                        .equals(data.files().get(PreparedDataset.TEXT));
        String cut = null;
        if (!embedded || !digest.equals(data.captionsDigest())) {
            cut = write(data, samples, digest, !embedded);
        }
        if (changed.isEmpty()) {
            return cut;
        }
        String note = "captions were changed in the review: " + Names.some(changed, NAMED);
        LOG.info("{}", note);
        return cut == null ? note : note + "; " + cut;
    }

    /** Whether this run's own result stands in the output, of these captions: an attempt ended after it had published. */
    private boolean isTrainedOn(DatasetManifest data) {
        Manifest result = file.result();
        return result != null
                && result.runId().equals(context.run().runId())
                && data.captionsDigest() != null
                && data.captionsDigest().equals(result.captionsDigest());
    }

    /** Of captions that need not be valid. */
    private String digest(ReviewFile.Found there, DatasetManifest data) {
        try {
            return digest(ReviewedCaptions.read(there.place(), there.content())
                    .of(data.samples(), context.run().spec()));
        } catch (TrainerException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static String digest(List<Sample> samples) {
        StringBuilder all = new StringBuilder();
        for (Sample sample : samples) {
            List<String> texts = sample.variants() == null ? List.of(sample.caption()) : sample.variants();
            all.append(sample.file())
                    .append('\0')
                    .append(String.join("\0", texts))
                    .append('\n');
        }
        return Sha256.of(all.toString());
    }

    /** The manifest comes last: until then the data are those of the captions before. */
    private @Nullable String write(DatasetManifest data, List<Sample> samples, String digest, boolean embed)
            throws IOException {
        Path folder = context.workspace().dataset();
        Map<String, String> files = new TreeMap<>(data.files());
        String cut = null;
        if (embed) {
            cut = embed(data, samples, folder);
            List<String> written = List.of(CaptionTables.PREPARED, PreparedDataset.TEXT, Reports.JSON, Reports.PAGE);
            for (String name : written) {
                files.put(name, Sha256.of(folder.resolve(name)));
            }
        }
        DatasetManifest manifest = DatasetManifestBuilder.builder(data)
                .samples(samples)
                .captionsDigest(digest)
                .files(files)
                .build();
        WholeFile.write(
                folder.resolve(PreparedDataset.MANIFEST),
                temporary -> Json.PRETTY.writeValue(temporary.toFile(), manifest));
        return cut;
    }

    private @Nullable String embed(DatasetManifest data, List<Sample> samples, Path folder) throws IOException {
        StepCache cache = StepCache.open(context.workspace().made());
        PrepareProgress untold = new PrepareProgress(samples.size(), (done, all, seconds) -> {});
        try (NDManager manager = context.manager().newSubManager();
                StableDiffusion model = context.openToEmbed(manager)) {
            DatasetEncoder encoder = new DatasetEncoder(context, model, data.baseModelDigest(), cache, untold);
            WholeFile.write(folder.resolve(PreparedDataset.TEXT), temporary -> encoder.writeTexts(samples, temporary));
            LOG.info("made anew: {} text embeddings", cache.made(StepCache.Step.TEXT));
            WholeFile.write(
                    folder.resolve(CaptionTables.PREPARED),
                    temporary -> Files.writeString(temporary, content(samples)));
            report(samples, model, folder, manager);
            return TextNotes.cutCaptions(samples, PrepareStage.limit(model));
        }
    }

    private void report(List<Sample> samples, StableDiffusion model, Path folder, NDManager manager)
            throws IOException {
        DataReport before = Json.MAPPER.readValue(folder.resolve(Reports.JSON).toFile(), DataReport.class);
        List<ReportedPicture> pictures = new ArrayList<>();
        for (int i = 0; i < samples.size(); i++) {
            String caption = samples.get(i).caption();
            pictures.add(
                    DataReportReportedPictureBuilder.builder(before.pictures().get(i))
                            .caption(caption)
                            .tokens(model.prompts().tokens(caption))
                            .build());
        }
        try (PreparedDataset data = PreparedDataset.open(folder)) {
            Reports.write(
                    Reports.recaptioned(
                            before,
                            pictures,
                            model.prompts().longest(),
                            context.run().spec().preparation().mask().source()),
                    folder,
                    picture -> data.masked() ? mask(data, picture, manager) : null);
        }
    }

    private static Mat mask(PreparedDataset data, int picture, NDManager manager) {
        OpenCvLibrary.load();
        try (NDArray mask = data.mask(picture, manager)) {
            int height = (int) mask.getShape().get(1);
            int width = (int) mask.getShape().get(2);
            return new LatentMask(width, height, mask.toFloatArray()).toMat();
        }
    }
}
