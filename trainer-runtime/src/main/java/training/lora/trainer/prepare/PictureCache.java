package training.lora.trainer.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.LatentMasks.LatentMask;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.PicturePipeline.Steps;
import training.lora.trainer.prepare.StepCache.Step;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.place.Place;

/** The prepared pictures and masks that are kept, by what they were made from. */
final class PictureCache {
    private final StepCache cache;
    private final Steps steps;
    private final Path folder;

    /** @param folder of the data set that is prepared */
    PictureCache(StepCache cache, Steps steps, Path folder) {
        this.cache = cache;
        this.steps = steps;
        this.folder = folder;
    }

    /**
     * What pictures and masks of an item are kept by.
     *
     * @param mask null where every part of a picture counts
     */
    record Keys(String picture, @Nullable String mask) {
        /** The key of a prepared picture itself. */
        String png(int number) {
            return Sha256.of(picture + "\n" + number);
        }
    }

    /**
     * What is kept of the pictures that were made of an item.
     *
     * @param seen what tells it from others
     * @param width of the whole picture
     * @param height of the whole picture
     * @param animated whether it is the first of several in its file
     * @param places where the prepared pictures were cut from
     * @param variations how those differ from the first that aren't it, by their places in the list
     * @param digests sha256 of the prepared pictures
     */
    record Kept(
            HeldOut.Seen seen,
            int width,
            int height,
            boolean animated,
            List<Place> places,
            Map<Integer, Variation> variations,
            List<String> digests) {
        Kept {
            variations = variations == null ? Map.of() : Map.copyOf(variations);
            places = List.copyOf(places);
            digests = List.copyOf(digests);
        }
    }

    /**
     * @param index the item's number
     * @param digest sha256 of the item's file
     */
    Keys keys(int index, Item item, String digest) throws IOException {
        String masks = steps.masks() == null ? null : steps.masks().key(item);
        // A copy's part has something of what the mask shows.
        boolean seen = steps.placement().usesMask() || !steps.copies().of(index).isEmpty();
        String picture = Sha256.of(String.join(
                "\n",
                digest,
                steps.options().background(),
                steps.placement().key(item),
                seen && masks != null ? masks : "",
                steps.copies().of(index).toString(),
                steps.enlarger() == null ? "" : steps.enlarger().key()));
        return new Keys(picture, steps.masked() ? Sha256.of(picture + "\n" + steps.factor() + "\n" + masks) : null);
    }

    /** What is kept of the pictures; null if not all of them are. */
    @Nullable Kept picture(Keys keys) throws IOException {
        byte[] json = cache.get(Step.PICTURE, keys.picture());
        if (json == null) {
            return null;
        }
        Kept kept;
        try {
            kept = Json.MAPPER.readValue(json, Kept.class);
        } catch (JsonProcessingException e) {
            // Of another release.
            return null;
        }
        for (int i = 0; i < kept.places().size(); i++) {
            if (cache.get(Step.PNG, keys.png(i)) == null) {
                return null;
            }
        }
        return kept;
    }

    /** The masks at their latents' size, in the order of {@code places}; null if they aren't kept. */
    @Nullable List<LatentMask> masks(Keys keys, List<Place> places) throws IOException {
        byte[] bytes = keys.mask() == null ? null : cache.get(Step.MASK, keys.mask());
        if (bytes == null) {
            return null;
        }
        ByteBuffer all = ByteBuffer.wrap(bytes);
        List<LatentMask> masks = new ArrayList<>();
        for (Place place : places) {
            int width = place.width() / steps.factor();
            int height = place.height() / steps.factor();
            float[] values = new float[width * height];
            all.asFloatBuffer().get(values);
            all.position(all.position() + values.length * Float.BYTES);
            masks.add(new LatentMask(width, height, values));
        }
        return masks;
    }

    void keepMasks(Keys keys, List<LatentMask> masks) throws IOException {
        ByteBuffer all = ByteBuffer.allocate(
                masks.stream().mapToInt(m -> m.values().length).sum() * Float.BYTES);
        masks.forEach(mask -> {
            for (float value : mask.values()) {
                all.putFloat(value);
            }
        });
        cache.put(Step.MASK, java.util.Objects.requireNonNull(keys.mask()), all.array());
    }

    /** Keeps the pictures that were just made. */
    Kept keepPictures(Keys keys, Kept made, List<byte[]> pngs) throws IOException {
        for (int i = 0; i < pngs.size(); i++) {
            cache.put(Step.PNG, keys.png(i), pngs.get(i));
        }
        cache.put(Step.PICTURE, keys.picture(), Json.MAPPER.writeValueAsBytes(made));
        return made;
    }

    /** Puts the prepared pictures into the data set's folder. */
    PreparedItem place(int index, Item item, Keys keys, Kept kept, @Nullable List<LatentMask> masks)
            throws IOException {
        List<PreparedPicture> pictures = new ArrayList<>();
        for (int i = 0; i < kept.places().size(); i++) {
            // The first is called as the only one is.
            String file = i == 0 ? "images/%05d.png".formatted(index) : "images/%05d-%d.png".formatted(index, i);
            cache.link(Step.PNG, keys.png(i), folder.resolve(file));
            pictures.add(new PreparedPicture(
                    file,
                    kept.digests().get(i),
                    kept.places().get(i),
                    kept.variations().get(i),
                    masks == null ? null : masks.get(i)));
        }
        return PicturePipelinePreparedItemBuilder.builder()
                .index(index)
                .item(item)
                .seen(kept.seen())
                .width(kept.width())
                .height(kept.height())
                .animated(kept.animated())
                .pictures(pictures)
                .build();
    }
}
