package training.lora.trainer.prepare.mask;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSpec;
import training.lora.trainer.face.FaceFinder;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.source.Source;

/** The one that a spec asks for. */
public final class MaskMakers {
    private MaskMakers() {}

    /**
     * Opens it, with its model.
     *
     * @param digests stays the caller's
     * @param found what to look for, by data sets' names, where the spec doesn't say it
     * @return null where every part of a picture counts
     */
    public static @Nullable MaskMaker open(RunContext context, FileDigests digests, Map<String, List<String>> found)
            throws IOException {
        LoraTrainingSpec spec = context.run().spec();
        MaskSpec mask = spec.preparation().mask();
        Source model = context.named().maskModel();
        String digest = context.preparingDigest(model, digests);
        return switch (mask.source()) {
            case None -> null;
            case Alpha -> new AlphaMasks();
            case Files -> new FileMasks(digests);
            case Segment -> {
                SegmentPrompts prompts = new SegmentPrompts(mask, found);
                prompts.check(spec.datasets());
                yield new SegmentMasks(ClipSeg.open(field(model), place(context, model)), prompts, digest);
            }
            case Face -> new FaceMasks(FaceFinder.open(field(model), place(context, model)), mask, digest);
        };
    }

    private static String field(@Nullable Source model) {
        return model == null ? "" : model.field();
    }

    private static Path place(RunContext context, @Nullable Source model) {
        if (model == null) {
            throw new IllegalStateException("masks of a model need one");
        }
        return context.sources().existing(model);
    }
}
