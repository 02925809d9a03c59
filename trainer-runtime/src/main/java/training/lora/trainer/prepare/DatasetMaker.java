package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSource;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.PicturePipeline.Steps;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.mask.MaskMaker;
import training.lora.trainer.prepare.mask.MaskMakers;
import training.lora.trainer.prepare.mask.SegmentPrompts;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.Swin2Sr;
import training.lora.trainer.prepare.report.DataReport;
import training.lora.trainer.prepare.report.DataReportBuilder;
import training.lora.trainer.prepare.report.Reports;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.safety.SafetyCheck;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.source.Source;

/** Makes what a data set is prepared to: pictures, masks, captions, latents and the report, all into one folder. */
final class DatasetMaker {
    private static final Logger LOG = LoggerFactory.getLogger(DatasetMaker.class);

    /** Where small copies of whole pictures are, while they are looked at. */
    private static final String WHOLE = "whole";

    /** How many pictures are named in a note. */
    private static final int NAMED = 5;

    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final Inputs inputs;
    private final PictureOptions options;

    /**
     * What it makes them of and with; all of it stays the caller's.
     *
     * @param raw the data as they came
     * @param geometry where pictures are cut and how many copies are made
     * @param baseModel the digest of its files
     * @param folder where the data set goes
     * @param notes where costs are told
     */
    @RecordBuilder
    record Inputs(
            RawData raw,
            Geometry geometry,
            StableDiffusion model,
            String baseModel,
            Rewriting rewriting,
            StepCache cache,
            FileDigests digests,
            Path folder,
            List<String> notes) {}

    /**
     * What was made.
     *
     * @param note what people should know of the pictures, in a sentence; null if nothing
     */
    record Made(List<Sample> samples, @Nullable String note) {}

    /** What came of the pictures. */
    private record Pictures(
            List<PreparedItem> prepared,
            Map<String, List<String>> maskPrompts,
            List<String> read,
            List<String> notes) {}

    DatasetMaker(RunContext context, Inputs inputs) {
        this.context = context;
        this.spec = context.run().spec();
        this.inputs = inputs;
        this.options = new PictureOptions(
                spec.preparation().background(), spec.preparation().maxPixels());
    }

    /** @param told is told of captions, which have their words then */
    Made make(PrepareProgress progress, NDManager manager, Consumer<List<Sample>> told) throws IOException {
        Rewriting rewriting = inputs.rewriting();
        rewriting.open(context, inputs.cache(), progress);
        Captioning captioning = new Captioning(context, inputs.cache(), inputs.digests(), progress);
        Pictures pictures = pictures(captioning, progress);
        List<PreparedItem> prepared = pictures.prepared();
        List<Sample> samples = PreparedSamples.of(prepared, inputs.raw(), captions(prepared, captioning));
        if (!inputs.geometry().plain()) {
            inputs.geometry().counts().tellLengthOf(samples);
        }
        told.accept(samples);
        CaptionsFile.write(samples, new CaptionRules(spec), inputs.folder());
        PreparedSamples.writeMasks(prepared, inputs.folder(), manager);
        DataReport report = report(pictures, samples);
        List<String> digests = prepared.stream()
                .flatMap(item -> item.pictures().stream())
                .map(PreparedPicture::digest)
                .toList();
        new DatasetEncoder(context, inputs.model(), inputs.baseModel(), inputs.cache(), progress)
                .write(samples, digests, inputs.folder());
        Reports.write(report, inputs.folder(), PreparedSamples.masks(prepared)::apply);
        String note = Stream.concat(pictures.notes().stream(), captioning.notes().stream())
                .collect(Collectors.joining("; "));
        return new Made(samples, note.isEmpty() ? null : note);
    }

    private Pictures pictures(Captioning captioning, PrepareProgress progress) throws IOException {
        List<Item> items = inputs.raw().items();
        Path folder = inputs.folder();
        Map<String, List<String>> found = inputs.rewriting()
                .segmentPrompts(
                        items, some -> captioning.glance(some, options, folder.resolve(WHOLE), context.manager()));
        try (MaskMaker masks = MaskMakers.open(context, inputs.digests(), found);
                Swin2Sr enlarger = enlarger()) {
            Steps steps = PicturePipelineStepsBuilder.builder()
                    .placement(inputs.geometry().placement())
                    .copies(inputs.geometry().copies())
                    .factor(inputs.model().factor())
                    .options(options)
                    .masks(masks)
                    .enlarger(enlarger)
                    .build();
            PicturePipeline pipeline =
                    new PicturePipeline(context::stopIfAsked, steps, inputs.cache(), folder, progress);
            List<PreparedItem> prepared = pipeline.run(items, inputs.raw().digests());
            leaveOut(pipeline.unreadable(), prepared);
            inputs.geometry().counts().requirePrepared(prepared);
            List<String> read = read(pipeline);
            return new Pictures(prepared, found, read, notes(pipeline, prepared, read));
        }
    }

    /** Which pictures were left out, and which are the first of several. */
    private static List<String> read(PicturePipeline pipeline) {
        List<String> read = new ArrayList<>();
        if (!pipeline.unreadable().isEmpty()) {
            read.add("pictures that can't be read are left out: " + Names.some(pipeline.unreadable(), NAMED));
        }
        if (!pipeline.animated().isEmpty()) {
            read.add("the first picture of an animation is what is trained on: "
                    + Names.some(pipeline.animated(), NAMED));
        }
        return read;
    }

    private List<String> notes(PicturePipeline pipeline, List<PreparedItem> prepared, List<String> read)
            throws IOException {
        HeldOut heldOut = new HeldOut(options);
        prepared.forEach(heldOut::add);
        return Stream.concat(read.stream(), Stream.of(unsafe(prepared), pipeline.unfound(prepared), heldOut.check()))
                .filter(Objects::nonNull)
                .toList();
    }

    private DataReport report(Pictures pictures, List<Sample> samples) throws IOException {
        StableDiffusion model = inputs.model();
        return DataReportBuilder.builder(Reports.of(
                        PreparedSamples.reported(pictures.prepared(), samples, model),
                        model.prompts().longest(),
                        spec.preparation().mask().source()))
                .notes(Stream.concat(inputs.raw().notes().stream(), pictures.read().stream())
                        .toList())
                .concepts(inputs.rewriting().concepts())
                .masks(masks(pictures.maskPrompts()))
                .language(inputs.rewriting().cost())
                .build();
    }

    /** What is looked for in each data set, whoever says it. */
    private List<DataReport.ReportedMasks> masks(Map<String, List<String>> found) {
        if (spec.preparation().mask().source() != MaskSource.Segment) {
            return List.of();
        }
        SegmentPrompts prompts = new SegmentPrompts(spec.preparation().mask(), found);
        return spec.datasets().stream()
                .map(dataset -> new DataReport.ReportedMasks(
                        dataset.name(),
                        prompts.of(dataset),
                        prompts.from(dataset).name()))
                .toList();
    }

    /**
     * Looks at the pictures that are trained on, where that is asked for.
     *
     * @return which are unsafe, in a sentence; null if none, or nothing looks
     * @throws TrainerException InvalidData if they are refused
     */
    private @Nullable String unsafe(List<PreparedItem> prepared) {
        try (SafetyCheck safety = SafetyCheck.open(context)) {
            if (safety == null) {
                return null;
            }
            for (PreparedItem item : prepared) {
                context.stopIfAsked("while it looked for unsafe pictures");
                for (PreparedPicture picture : item.pictures()) {
                    safety.isUnsafe(
                            item.item().name(), Picture.read(inputs.folder().resolve(picture.file())));
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

    private @Nullable Swin2Sr enlarger() throws IOException {
        Source source = context.named().upscaler();
        return source == null
                ? null
                : Swin2Sr.open(source.field(), context.sources().existing(source), inputs.digests());
    }

    private List<Captioning.Caption> captions(List<PreparedItem> prepared, Captioning captioning) throws IOException {
        List<Captioning.Caption> captions =
                captioning.captions(prepared, inputs.folder(), inputs.rewriting(), context.manager());
        List<String> costs = new ArrayList<>(captioning.costs());
        ChatApi.Cost language = inputs.rewriting().cost();
        if (language != null) {
            costs.add(language.sentence());
        }
        for (String cost : costs) {
            LOG.info("{}", cost);
            inputs.notes().add(cost);
        }
        return captions;
    }
}
