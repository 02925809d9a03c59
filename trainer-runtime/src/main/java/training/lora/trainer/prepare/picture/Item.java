package training.lora.trainer.prepare.picture;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetSpec;

/**
 * A picture of a data set and its caption, as they came.
 *
 * @param dataset what it belongs to
 * @param name data set and relative path
 * @param caption the caption, with the concept's words and the prefix
 * @param said the texts of its caption without those words; null where it has no caption of its own, and where that was
 *     prepared and holds all that is trained on
 * @param variants captions one of which is drawn each time, as {@code Wildcards} says; null where there is but one
 * @param captionFrom name of the file that the caption came from; null where it has none of its own
 * @param invisible how many invisible characters the caption's file has, which are left out
 * @param mask the mask beside it; null where there is none
 */
@RecordBuilder
public record Item(
        DatasetSpec dataset,
        String name,
        Path file,
        String caption,
        @Nullable List<String> said,
        @Nullable List<String> variants,
        @Nullable String captionFrom,
        int invisible,
        @Nullable Path mask) {}
