package training.lora.trainer.run;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a run is made from beside its spec: sha256 of the files that this names.
 *
 * @param data over pictures, captions and masks
 * @param captions over the captions that came back from a review; null where none did, or nobody asks
 * @param baseModel over the base model's files and those of the autoencoder in the place of its own
 * @param initFrom of the adapter that is gone on from; null where there is none, or an earlier release did not tell
 * @param clip over the files of the CLIP model that measured; null where none did, or an earlier release did not tell
 */
@RecordBuilder
public record InputDigests(
        String data,
        @Nullable String captions,
        String baseModel,
        @Nullable String initFrom,
        @Nullable String clip) {
    /** That of the data, where nobody knows more. */
    public static final Function<String, String> SOME_DATA =
            before -> "the pictures or captions of `spec.datasets` have changed";

    /**
     * Which of what this training was made from is another now, a phrase each. What measures is no part of it.
     *
     * @param dataChange says what changed in the data of that digest
     */
    public List<String> trainingChanges(InputDigests now, Function<String, String> dataChange) {
        List<String> changes = new ArrayList<>();
        if (!baseModel.equals(now.baseModel)) {
            changes.add("the files of `spec.baseModel` have changed");
        }
        if (differ(initFrom, now.initFrom)) {
            changes.add("the file of `spec.training.initFrom` has changed");
        }
        if (!data.equals(now.data)) {
            changes.add(dataChange.apply(data));
        }
        if (now.captions != null && !now.captions.equals(captions)) {
            changes.add("other captions came back from the review");
        }
        return changes;
    }

    /** Whether another CLIP model measures now. */
    public boolean measuredByAnother(InputDigests now) {
        return differ(clip, now.clip);
    }

    private static boolean differ(@Nullable String before, @Nullable String now) {
        return before != null && now != null && !Objects.equals(before, now);
    }
}
