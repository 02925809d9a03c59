package training.lora.trainer.prepare;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.Names;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.run.InputDigests;

/** Says which pictures and captions are others than those that were prepared, by name. */
final class DataChanges {
    /** How many are told by name. */
    private static final int NAMED = 3;

    private final List<String> pictures = new ArrayList<>();
    private final List<String> captions = new ArrayList<>();
    private final List<String> added = new ArrayList<>();
    private final List<String> gone = new ArrayList<>();

    private final boolean masked;

    private DataChanges(DatasetManifest before, RawData now) {
        Map<String, Sample> old = new HashMap<>();
        before.samples().forEach(sample -> old.put(sample.name(), sample));
        for (int i = 0; i < now.items().size(); i++) {
            Item item = now.items().get(i);
            Sample sample = old.remove(item.name());
            if (sample == null) {
                added.add(item.name());
                continue;
            }
            if (!sample.sha256().equals(now.digests().get(i))) {
                pictures.add(item.name());
            }
            boolean made = item.captionFrom() == null && sample.captionFrom() != null;
            // What a review changed says nothing of the caption that it came with.
            boolean reviewed = sample.original() == null && CaptionReview.FROM.equals(sample.captionFrom());
            String caption = sample.original() == null ? sample.caption() : sample.original();
            if (!made && !reviewed && !caption.equals(item.caption())) {
                captions.add(item.name());
            }
        }
        masked = now.items().stream().anyMatch(item -> item.mask() != null);
        before.samples().stream()
                .map(Sample::name)
                .filter(old::containsKey)
                .distinct()
                .forEach(gone::add);
    }

    /**
     * What changed in data that had a digest before, a phrase.
     *
     * @param before what was prepared last; null if nothing is there of it
     */
    static Function<String, String> since(@Nullable DatasetManifest before, RawData now) {
        return digest -> before == null || !before.digest().equals(digest)
                ? InputDigests.SOME_DATA.apply(digest)
                : new DataChanges(before, now).phrase(digest);
    }

    private String phrase(String digest) {
        List<String> phrases = new ArrayList<>();
        tell(phrases, pictures, "the picture %s has changed", "the pictures %s have changed");
        tell(phrases, captions, "the caption of %s has changed", "the captions of %s have changed");
        tell(phrases, added, "%s is new", "%s are new");
        tell(phrases, gone, "%s is gone", "%s are gone");
        if (phrases.isEmpty()) {
            return masked ? "the masks of `spec.datasets` have changed" : InputDigests.SOME_DATA.apply(digest);
        }
        return String.join(", ", phrases);
    }

    private static void tell(List<String> phrases, List<String> names, String one, String several) {
        if (!names.isEmpty()) {
            phrases.add((names.size() == 1 ? one : several).formatted(Names.some(names, NAMED)));
        }
    }
}
