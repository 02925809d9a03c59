package training.lora.trainer.prepare;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.dataset.Variation.Kind;
import training.lora.trainer.prepare.LatentMasks.LatentMask;
import training.lora.trainer.prepare.PicturePipeline.Steps;
import training.lora.trainer.prepare.augment.Altered;
import training.lora.trainer.prepare.augment.Copies.Copy;
import training.lora.trainer.prepare.mask.MaskMaker;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.sample.Picture;

/** Cuts prepared pictures and masks out of a decoded one. Several threads may use it. */
final class PictureMaker {
    /** How much longer a picture must become to be enlarged by a model. */
    private static final double ENLARGED_FROM = 4 / 3.0;

    private final Steps steps;

    PictureMaker(Steps steps) {
        this.steps = steps;
    }

    /**
     * Prepared pictures of an item.
     *
     * @param places where they were cut from
     * @param variations how those differ from the first that aren't it, by their places in the list
     * @param pngs their files
     */
    record Made(List<Place> places, Map<Integer, Variation> variations, List<byte[]> pngs) {}

    /**
     * What pictures are cut from; places are shares of the whole, whatever its size.
     *
     * @param colour perhaps enlarged
     * @param mask null where every part counts
     */
    record Pixels(Mat colour, @Nullable Mat mask) {}

    /** A larger copy of a picture that is much smaller than what it is brought to; null where it isn't. */
    @Nullable Mat enlarged(Item item, Photo photo, @Nullable Mat mask) {
        if (steps.enlarger() == null) {
            return null;
        }
        double longer = steps.placement().places(item, photo.width(), photo.height(), mask).stream()
                .mapToDouble(place -> (double) place.scaledWidth() / photo.width())
                .max()
                .orElse(1);
        return longer < ENLARGED_FROM ? null : steps.enlarger().enlarge(photo.colour());
    }

    /** The masks of all prepared pictures of an item, at the size of their latents. */
    List<LatentMask> masks(int index, Item item, Photo photo, Pixels pixels) {
        Mat mask = pixels.mask();
        List<Place> cuts = steps.placement().places(item, photo.width(), photo.height(), mask);
        List<LatentMask> masks = new ArrayList<>();
        cuts.forEach(place -> masks.add(found(item, LatentMasks.of(mask, place, steps.factor()), place)));
        for (Place place : cuts) {
            for (Copy copy : steps.copies().of(index)) {
                try (Altered altered = Altered.of(copy, pixels.colour(), mask, place)) {
                    LatentMask own = altered.mask() == null
                            ? LatentMasks.all(altered.place(), steps.factor())
                            : LatentMasks.of(altered.mask(), steps.factor());
                    masks.add(found(item, own, altered.place()));
                }
            }
        }
        return masks;
    }

    /** First the picture itself at all of its sizes, then the copies of each. */
    Made pictures(int index, Item item, Photo photo, Pixels pixels) throws IOException {
        Mat mask = pixels.mask();
        List<Place> cuts = steps.placement().places(item, photo.width(), photo.height(), mask);
        List<Place> places = new ArrayList<>();
        List<byte[]> pngs = new ArrayList<>();
        Map<Integer, Variation> variations = new TreeMap<>();
        for (Place place : cuts) {
            Mat cut = place.cut(pixels.colour());
            if (!places.isEmpty()) {
                variations.put(places.size(), new Variation(Kind.Resolution, 0, Map.of()));
            }
            places.add(place);
            pngs.add(Picture.png(cut));
            cut.release();
        }
        for (Place place : cuts) {
            for (Copy copy : steps.copies().of(index)) {
                try (Altered altered = Altered.of(copy, pixels.colour(), mask, place)) {
                    variations.put(places.size(), altered.variation());
                    places.add(altered.place());
                    pngs.add(Picture.png(altered.picture()));
                }
            }
        }
        return new Made(places, variations, pngs);
    }

    /** All of a picture where what was looked for lies beside the crop. */
    private LatentMask found(Item item, LatentMask mask, Place place) {
        MaskMaker maker = steps.masks();
        return mask.empty() && maker != null && maker.looksFor(item) ? LatentMasks.all(place, steps.factor()) : mask;
    }
}
