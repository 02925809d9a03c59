package training.lora.trainer.prepare.augment;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.PreparationSpec;
import training.lora.trainer.dataset.Variation.Kind;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.tensor.Randomness;

/**
 * Which altered copies of each picture there are: mirrored ones, and as many others as fill a data set up. What a copy is drawn
 * from is a function of the run's seed, the picture's name and the copy's number.
 */
public final class Copies {
    /** How many of the copies of objects and faces are made smaller, on a ground that is extended. */
    private static final double OUTPAINTED = 1 / 3.0;

    private final List<List<Copy>> copies = new ArrayList<>();
    private final String key;

    /**
     * A copy that is to be made.
     *
     * @param seed what it is drawn from; 0 where nothing is
     * @param flips whether it may be mirrored, where that is drawn
     */
    public record Copy(Kind kind, long seed, boolean flips) {
        /** Its own random numbers. */
        SplittableRandom random() {
            return new SplittableRandom(seed);
        }
    }

    private Copies(String key) {
        this.key = key;
    }

    /** Those of {@code items} by {@code spec}, drawn from {@code seed}. */
    public static Copies of(List<Item> items, PreparationSpec spec, long seed) {
        Copies all = new Copies("flip %s, augmentTo %d%s"
                .formatted(spec.flip(), spec.augmentTo(), spec.augmentTo() > 0 ? " by " + seed : ""));
        Map<String, Integer> counts = new HashMap<>();
        items.forEach(item -> counts.merge(item.dataset().name(), 1, Integer::sum));
        Map<String, Integer> turns = new HashMap<>();
        for (Item item : items) {
            DatasetSpec dataset = item.dataset();
            int turn = turns.merge(dataset.name(), 1, Integer::sum) - 1;
            int count = counts.getOrDefault(dataset.name(), 0);
            all.copies.add(dataset.role() == DatasetRole.Train ? copies(item, spec, seed, turn, count) : List.of());
        }
        return all;
    }

    /**
     * @param turn the picture's place in its data set
     * @param count pictures of the data set
     */
    private static List<Copy> copies(Item item, PreparationSpec spec, long seed, int turn, int count) {
        boolean flips = spec.flip() && !isFace(item);
        List<Copy> own = new ArrayList<>();
        if (flips) {
            own.add(new Copy(Kind.Flip, 0, true));
        }
        int missing = Math.max(0, spec.augmentTo() - count * (flips ? 2 : 1));
        int more = missing / count + (turn < missing % count ? 1 : 0);
        boolean outpaints = mode(item) != null && mode(item) != ConceptMode.Style;
        for (int k = 0; k < more; k++) {
            long drawn = Randomness.derive(seed, k, "augment/" + item.name());
            boolean outpainted =
                    outpaints && Randomness.generator(drawn, 0, "kind").nextDouble() < OUTPAINTED;
            own.add(new Copy(outpainted ? Kind.Outpainted : Kind.Augmented, drawn, flips));
        }
        return own;
    }

    /** A mirrored face is another's. */
    private static boolean isFace(Item item) {
        ConceptMode mode = mode(item);
        return mode == ConceptMode.Face;
    }

    private static @Nullable ConceptMode mode(Item item) {
        return item.dataset().concept() == null
                ? null
                : item.dataset().concept().mode();
    }

    /** Those of the item of that number. */
    public List<Copy> of(int item) {
        return copies.get(item);
    }

    /** Whether there is any. */
    public boolean any() {
        return copies.stream().anyMatch(own -> !own.isEmpty());
    }

    /** Whether parts of some copies are not to be learned. */
    public boolean mask() {
        return copies.stream().flatMap(List::stream).anyMatch(copy -> copy.kind() == Kind.Outpainted);
    }

    /** All that they depend on but the items. */
    public String key() {
        return key;
    }
}
