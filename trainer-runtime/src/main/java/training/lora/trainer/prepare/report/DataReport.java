package training.lora.trainer.prepare.report;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.prepare.caption.ChatApi;

/**
 * The report of a data set, as JSON.
 *
 * @param version {@link #VERSION}
 * @param pictures all of them, in their order
 * @param buckets how many prepared pictures there are of a size, as in {@code 512x512}
 * @param alike groups of pictures, by name, that may be copies of one
 * @param concepts what is known of each concept that has captions
 * @param masks what masks are to find in each data set; empty where words don't find them
 * @param language what the language model has cost in this preparation; null where it was not asked
 * @param notes which pictures were left out, or stand for more than they show, a sentence each
 * @param warnings what a maker would act on, a sentence each
 */
@RecordBuilder
public record DataReport(
        String version,
        List<ReportedPicture> pictures,
        Map<String, Integer> buckets,
        List<List<String>> alike,
        List<ReportedConcept> concepts,
        List<ReportedMasks> masks,
        ChatApi.@Nullable Cost language,
        List<String> notes,
        List<String> warnings) {
    /** What an earlier release wrote lacks some of it. */
    public DataReport {
        masks = Objects.requireNonNullElse(masks, List.of());
        notes = Objects.requireNonNullElse(notes, List.of());
    }

    /** Version of this JSON. */
    public static final String VERSION = "lora.training/dataset-report/v1";

    /**
     * What masks are to find in a data set.
     *
     * @param dataset its name
     * @param prompts the words; empty where its pictures count as a whole
     * @param from who says them: User (mask.prompts), Mode or ClassName (concept), LanguageModel, None
     */
    public record ReportedMasks(String dataset, List<String> prompts, String from) {}

    /**
     * A prepared picture.
     *
     * @param name data set and file
     * @param variation how it was made of a picture that stands before it; null where it is the first of its file
     * @param role what the data set is for
     * @param file the prepared picture, relative to the data set's folder
     * @param width of the picture as it came
     * @param height of the picture as it came
     * @param preparedWidth of what is trained on
     * @param preparedHeight of what is trained on
     * @param scale by which the whole picture was scaled before it was cropped; more than 1 where it was enlarged
     * @param lost share of the picture's area that the crop leaves out, from 0 to 1
     * @param original the caption without clean-up; null where it is that
     * @param tokens of the caption
     * @param masked how much of the picture counts, from 0 to 1; null where there is no mask
     */
    @RecordBuilder
    public record ReportedPicture(
            String name,
            @Nullable Variation variation,
            String role,
            String file,
            int width,
            int height,
            int preparedWidth,
            int preparedHeight,
            double scale,
            double lost,
            PictureMeasures measures,
            String caption,
            @Nullable String original,
            int tokens,
            @Nullable Double masked) {
        /** Whether its mask is what was found in the picture, not the ground that a smaller copy stands on. */
        boolean masks() {
            return masked != null && (variation == null || variation.kind() != Variation.Kind.Outpainted);
        }

        double aspect() {
            return (double) width / height;
        }
    }
}
