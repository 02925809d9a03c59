package training.lora.trainer.dataset;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.SpecScope;

/**
 * manifest.json of a prepared data set.
 *
 * @param version {@link #VERSION}
 * @param key digest over all that the folder was made from
 * @param digest sha256 over pictures and captions as they came
 * @param captionsDigest sha256 over the captions that came back from a review; null where none did
 * @param baseModelDigest of the model whose latents and embeddings these are
 * @param initFromDigest sha256 of the adapter that is gone on from; null where there is none
 * @param spec the spec that it was made ready for; null where an earlier release did
 * @param model the base model's family
 * @param resolution side in pixels of the squares that are drawn, and the root of the largest area that is trained on
 * @param samples the pictures, in the order of their names
 * @param note what people should know of the pictures, in a sentence; null if nothing
 * @param files sha256 of every other file of the folder, by its relative name
 */
@RecordBuilder
public record DatasetManifest(
        String version,
        String key,
        String digest,
        @Nullable String captionsDigest,
        String baseModelDigest,
        @Nullable String initFromDigest,
        @Nullable LoraTrainingSpec spec,
        String model,
        int resolution,
        List<Sample> samples,
        @Nullable String note,
        Map<String, String> files) {
    /** What the run is made from that trains on these data. */
    public InputDigests inputs() {
        return InputDigestsBuilder.builder()
                .data(digest)
                .baseModel(baseModelDigest)
                .initFrom(initFromDigest)
                .captions(captionsDigest)
                .build();
    }

    /**
     * Sees to it that a stage which reads these data is of the spec and the base model that they were made ready for; what
     * they were made from may be gone by now.
     *
     * @throws TrainerException InvalidConfiguration, with all that differs
     */
    public void requireFor(RunContext context) throws IOException {
        List<String> changes = new ArrayList<>();
        if (spec == null) {
            changes.add("another release prepared them");
        } else {
            changes.addAll(SpecScope.Preparation.changes(spec, context.run().spec()));
        }
        changes.addAll(inputs().trainingChanges(context.inputDigests(digest), InputDigests.SOME_DATA));
        if (!changes.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "the data must have been prepared for this spec, but %s; run `prepare` again"
                            .formatted(String.join(", ", changes)));
        }
    }

    /** What every version of this file begins with. */
    static final String VERSIONS = "lora.training/dataset/";

    /** Version of this file's JSON. */
    public static final String VERSION = VERSIONS + "v6";

    /**
     * A picture with its caption.
     *
     * @param name data set and file, as in {@code main/bat.png}
     * @param dataset the data set's name
     * @param role what the data set is for
     * @param file the prepared picture, relative to the folder
     * @param caption the caption, prefix included
     * @param variants captions one of which is drawn each time, as {@link Wildcards} says; null where there is but one
     * @param captionFrom the file or captioner that the caption came from; null where it is the words that call the
     *     concept, and where an earlier release prepared it
     * @param original what the caption would be without clean-up; null where it is that
     * @param sha256 digest of the picture as it came
     * @param sizes its sizes as it came and as it is prepared
     * @param variation how it differs from the first that was made of the picture; null for that
     */
    @RecordBuilder
    public record Sample(
            String name,
            String dataset,
            DatasetRole role,
            String file,
            String caption,
            @Nullable List<String> variants,
            @Nullable String captionFrom,
            @Nullable String original,
            String sha256,
            PictureSizes sizes,
            @Nullable Variation variation) {}
}
