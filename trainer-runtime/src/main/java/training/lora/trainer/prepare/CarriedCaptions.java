package training.lora.trainer.prepare;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;

/**
 * Samples that have what a person wrote of the same pictures before.
 *
 * @param samples all of them
 * @param kept the names of the pictures whose captions are a person's
 */
record CarriedCaptions(List<Sample> samples, List<String> kept) {
    /**
     * Puts {@code lines} into {@code samples}.
     *
     * @param before the samples that the lines were written for; empty where they aren't known
     * @throws TrainerException InvalidCaptions if two lines are of one picture, or nothing says which one's a line is
     */
    static CarriedCaptions of(List<Sample> samples, List<Sample> before, ReviewedCaptions lines, CaptionRules rules) {
        Map<String, List<String>> written = written(before, lines);
        Map<String, Integer> counts = new HashMap<>();
        for (Sample sample : before) {
            String picture = nth(sample.name(), counts);
            List<String> texts = written.get(picture);
            if (texts != null
                    && !CaptionReview.FROM.equals(sample.captionFrom())
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
        return new CarriedCaptions(all, kept);
    }

    /** The texts by the pictures as they came, which a line need not name where the prepared one is known. */
    private static Map<String, List<String>> written(List<Sample> before, ReviewedCaptions lines) {
        Map<String, String> pictures = new HashMap<>();
        Map<String, Integer> counts = new HashMap<>();
        before.forEach(sample -> pictures.put(sample.file(), nth(sample.name(), counts)));
        counts.clear();
        Map<String, List<String>> written = new HashMap<>();
        for (ReviewedCaptions.Line line : lines.byFile().values()) {
            String picture = pictures.get(line.file());
            String named = line.picture();
            if (named != null && (picture == null || !picture.startsWith(named + "\n"))) {
                // Written for other data than those before.
                picture = nth(named, counts);
            }
            if (picture == null) {
                throw lines.unknown(line);
            }
            written.put(picture, line.texts());
        }
        return written;
    }

    /** Several may be prepared of one picture, always in one order. */
    private static String nth(String picture, Map<String, Integer> counts) {
        return picture + "\n" + counts.merge(picture, 1, Integer::sum);
    }
}
