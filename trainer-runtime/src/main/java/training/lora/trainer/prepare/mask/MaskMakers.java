package training.lora.trainer.prepare.mask;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSpec;
import training.lora.trainer.face.FaceFinder;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.source.Source;

/** The one that a spec asks for. */
public final class MaskMakers {
    private MaskMakers() {}

    /**
     * Opens it, with its model.
     *
     * @param digests stays the caller's
     * @return null where every part of a picture counts
     */
    public static @Nullable MaskMaker open(RunContext context, FileDigests digests) throws IOException {
        LoraTrainingSpec spec = context.run().spec();
        MaskSpec mask = spec.preparation().mask();
        Source model = context.named().maskModel();
        String digest = context.preparingDigest(digests);
        return switch (mask.source()) {
            case None -> null;
            case Alpha -> new AlphaMasks();
            case Files -> new FileMasks(digests);
            case Segment -> {
                SegmentMasks.check(mask, spec.datasets());
                yield new SegmentMasks(ClipSeg.open(field(model), place(context, model)), mask, digest);
            }
            case Face -> new FaceMasks(FaceFinder.open(field(model), place(context, model)), mask, digest);
        };
    }

    /** What is looked for in an item's picture, in words. */
    public static List<String> prompts(MaskSpec spec, Item item) {
        return SegmentMasks.prompts(spec, item.dataset().concept());
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
