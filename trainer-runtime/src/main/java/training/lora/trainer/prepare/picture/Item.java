package training.lora.trainer.prepare.picture;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetSpec;

/**
 * A picture of a data set and its caption, as they came.
 *
 * @param dataset what it belongs to
 * @param name data set and relative path
 * @param caption the caption, with the concept's words and the prefix
 * @param invisible how many invisible characters the caption's file has, which are left out
 * @param mask the mask beside it; null where there is none
 */
@RecordBuilder
public record Item(
        DatasetSpec dataset,
        String name,
        Path file,
        String caption,
        int invisible,
        @Nullable Path mask) {}
