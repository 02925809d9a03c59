package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
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
import training.lora.trainer.publish.Output;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.train.InterruptedTraining;

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
    private final Output output;

    /** The data as an earlier preparation left them; null if none did. */
    private final @Nullable DatasetManifest before;

    private CaptionReview(RunContext context, @Nullable DatasetManifest before) {
        this.context = context;
        this.output = Output.published(context.run().owner(), context.workspace());
        this.before = before;
    }

    /** Whether a run waits for its captions. */
    public static boolean pauses(LoraTrainingSpec spec) {
        return spec.preparation().captions().pauseForReview();
    }

    /** Before the data are prepared. */
    public static CaptionReview begin(RunContext context) {
        return new CaptionReview(context, new PreparedFolder(context.workspace()).manifest());
    }

    /** Where the captions wait, for messages. */
    public static String place(Workspace workspace) {
        return workspace.destination() == null
                ? workspace.output().resolve(CaptionTables.PREPARED).toString()
                : workspace.artifact(CaptionTables.PREPARED);
    }

    /** Whether the captions in the output are others than those that the finished run was trained on. */
    static boolean edited(RunContext context, Manifest finished) throws IOException {
        byte[] there = pauses(context.run().spec()) ? new CaptionReview(context, null).there() : null;
        return there != null
                && finished.files().stream()
                        .filter(file -> file.uri().equals(CaptionTables.PREPARED))
                        .anyMatch(file -> !file.sha256().equals(sha256(there)));
    }

    private static String sha256(byte[] content) {
        return new Sha256().add(ByteBuffer.wrap(content)).hex();
    }

    private byte @Nullable [] there() throws IOException {
        return output.read(CaptionTables.PREPARED);
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
        byte[] there = there();
        if (there == null) {
            return new Offer(put(data.samples()), null);
        }
        if (before != null && before.samples().equals(data.samples())) {
            return new Offer(artifact(there), null);
        }
        try {
            ReviewedCaptions written = ReviewedCaptions.read(place(context.workspace()), there);
            return new Offer(put(carried(data.samples(), written)), null);
        } catch (TrainerException e) {
            String note =
                    e.getMessage() + "; it stays as it is, and without it the captions would be as they are prepared";
            LOG.warn("{}", note);
            return new Offer(artifact(there), note);
        }
    }

    private Artifact put(List<Sample> samples) throws IOException {
        byte[] content = CaptionsFile.content(samples).getBytes(StandardCharsets.UTF_8);
        Map<String, byte[]> files = new LinkedHashMap<>();
        Path page = context.workspace().dataset().resolve(Reports.PAGE);
        if (!output.hasResult() && Files.exists(page)) {
            // It shows the pictures with their captions.
            files.put("dataset/" + Reports.PAGE, Files.readAllBytes(page));
        }
        files.put(CaptionTables.PREPARED, content);
        output.offer(files);
        return artifact(content);
    }

    private Artifact artifact(byte[] content) {
        return new Artifact(
                "captions",
                null,
                context.workspace().artifact(CaptionTables.PREPARED),
                (long) content.length,
                sha256(content));
    }

    /** {@code samples} with what a person wrote of their pictures. */
    private List<Sample> carried(List<Sample> samples, ReviewedCaptions there) {
        Map<String, List<String>> written = new HashMap<>();
        Map<String, Integer> counts = new HashMap<>();
        for (ReviewedCaptions.Line line : there.lines()) {
            if (line.picture() != null) {
                written.put(nth(line.picture(), counts), line.texts());
            }
        }
        CaptionRules rules = new CaptionRules(context.run().spec());
        counts.clear();
        for (Sample sample : before == null ? List.<Sample>of() : before.samples()) {
            String picture = nth(sample.name(), counts);
            List<String> texts = written.get(picture);
            if (texts != null
                    && !FROM.equals(sample.captionFrom())
                    && ReviewedCaptions.with(sample, texts, rules) == sample) {
                // Nobody touched it, so what is prepared now counts.
                written.remove(picture);
            }
        }
        counts.clear();
        List<Sample> all = new ArrayList<>();
        List<String> kept = new ArrayList<>();
        for (Sample sample : samples) {
            List<String> texts = written.get(nth(sample.name(), counts));
            Sample carried = texts == null ? sample : ReviewedCaptions.with(sample, texts, rules);
            all.add(carried);
            if (carried != sample) {
                kept.add(sample.name());
            }
        }
        if (!kept.isEmpty()) {
            LOG.info("{} keeps what was written there of {}", place(context.workspace()), Names.some(kept, NAMED));
        }
        return all;
    }

    /** Several may be prepared of one picture, always in one order. */
    private static String nth(String picture, Map<String, Integer> counts) {
        return picture + "\n" + counts.merge(picture, 1, Integer::sum);
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
        String place = place(context.workspace());
        byte[] there = there();
        if (data.captionsDigest() != null && InterruptedTraining.isIn(context)) {
            return there == null || digest(there, place, data).equals(data.captionsDigest())
                    ? null
                    : "%s was edited after the training had begun, which goes on with the captions that it began with"
                            .formatted(place);
        }
        if (there == null) {
            put(data.samples());
            throw new TrainerException(
                    Reason.InvalidCaptions,
                    "%s must hold the captions, but was not there; it was written again as it was prepared"
                            .formatted(place));
        }
        List<Sample> samples = ReviewedCaptions.read(place, there)
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

    /** Of captions that need not be valid. */
    private String digest(byte[] there, String place, DatasetManifest data) {
        try {
            return digest(ReviewedCaptions.read(place, there)
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
                    temporary -> Files.writeString(temporary, CaptionsFile.content(samples)));
            report(samples, model, folder, manager);
            return TextNotes.cutCaptions(samples, PrepareStage.limit(model));
        }
    }

    private static void report(List<Sample> samples, StableDiffusion model, Path folder, NDManager manager)
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
                    Reports.of(pictures, model.prompts().longest()),
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
