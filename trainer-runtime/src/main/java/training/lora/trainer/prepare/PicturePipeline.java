package training.lora.trainer.prepare;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.Waits;
import training.lora.trainer.dataset.Variation;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.LatentMasks.LatentMask;
import training.lora.trainer.prepare.PrepareProgress.Part;
import training.lora.trainer.prepare.augment.Copies;
import training.lora.trainer.prepare.mask.MaskMaker;
import training.lora.trainer.prepare.mask.UnusableMaskException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.Swin2Sr;
import training.lora.trainer.prepare.picture.UnreadablePictureException;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.prepare.place.Placement;
import training.lora.trainer.prepare.report.PictureMeasures;
import training.lora.trainer.tensor.Threads;

/**
 * Decodes pictures, makes their masks, crops and writes them. Threads decode ahead, and crop and write behind, while the
 * stage's own thread makes masks; a few decoded pictures are in memory at a time. What comes out is in the order of the
 * items, and the same whatever the order of the threads.
 */
final class PicturePipeline {
    /** Of decoded pictures in memory, for each thread: one that it works on, and one that waits. */
    private static final int PICTURES_PER_THREAD = 2;

    /** How many times as long as what is made of it a picture at least is that is decoded to fewer pixels. */
    private static final int MARGIN = 2;

    /** How many pictures are named in a sentence. */
    private static final int NAMED = 5;

    private final StopCheck stops;
    private final Steps steps;
    private final Path folder;
    private final PictureMaker maker;
    private final PictureCache cache;
    private final PrepareProgress progress;
    private final List<String> unreadable = new ArrayList<>();
    private final List<String> animated = new ArrayList<>();
    private final List<String> maskProblems = new ArrayList<>();

    /** Ends the stage where it was asked to. */
    interface StopCheck {
        /** @param where what is done */
        void stopIfAsked(String where);
    }

    /**
     * What is done with each picture.
     *
     * @param masks makes masks; null where every part of a picture counts
     * @param enlarger enlarges small pictures; null where that is left to the scaling
     * @param placement sizes and crops
     * @param copies altered copies of pictures
     * @param factor by which latents are smaller than pictures
     * @param options how pictures are read
     */
    @RecordBuilder
    record Steps(
            @Nullable MaskMaker masks,
            @Nullable Swin2Sr enlarger,
            Placement placement,
            Copies copies,
            int factor,
            PictureOptions options) {
        /** Whether prepared pictures have masks. */
        boolean masked() {
            return masks != null || copies.mask();
        }
    }

    /**
     * A picture that is prepared.
     *
     * @param file relative to the folder
     * @param digest sha256 of the file
     * @param variation how it differs from the item's first; null for that
     * @param mask at the size of its latents; null where every part of a picture counts
     */
    record PreparedPicture(
            String file,
            String digest,
            Place place,
            @Nullable Variation variation,
            @Nullable LatentMask mask) {}

    /**
     * What was made of an item.
     *
     * @param index the item's, from 0
     * @param seen what tells it from others
     * @param width of the whole picture
     * @param height of the whole picture
     * @param animated whether it is the first of several in its file
     */
    @RecordBuilder
    record PreparedItem(
            int index,
            Item item,
            HeldOut.Seen seen,
            int width,
            int height,
            boolean animated,
            List<PreparedPicture> pictures) {}

    /** @param folder of the data set that is prepared */
    PicturePipeline(StopCheck stops, Steps steps, StepCache cache, Path folder, PrepareProgress progress) {
        this.stops = stops;
        this.steps = steps;
        this.folder = folder;
        this.maker = new PictureMaker(steps);
        this.cache = new PictureCache(cache, steps, folder);
        this.progress = progress;
    }

    /** The pictures that can't be read, which are left out, with what is wrong. */
    List<String> unreadable() {
        return unreadable;
    }

    /** Names of the pictures that are the first of several in their file. */
    List<String> animated() {
        return animated;
    }

    /**
     * Prepares all pictures.
     *
     * @param digests sha256 of the items' files
     * @throws TrainerException InvalidData, with every mask that can't be used
     */
    List<PreparedItem> run(List<Item> items, List<String> digests) throws IOException {
        Files.createDirectories(folder.resolve("images"));
        int threads = Threads.count();
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        PicturesInMemory inMemory = new PicturesInMemory(PICTURES_PER_THREAD * threads);
        List<PreparedItem> prepared;
        try {
            prepared = new Flow(items, digests, pool, inMemory).run();
        } finally {
            Waits.end(pool);
            inMemory.leaveAll();
        }
        requireAll(prepared);
        return prepared;
    }

    private void requireAll(List<PreparedItem> prepared) {
        for (PreparedItem item : prepared) {
            if (item.animated()) {
                animated.add(item.item().name());
            }
            for (PreparedPicture picture : item.pictures()) {
                if (picture.mask() != null && picture.mask().empty()) {
                    maskProblems.add("the mask of " + item.item().name() + " leaves nothing of it");
                }
            }
        }
        if (!maskProblems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each mask must be as large as its picture and white somewhere within the crop, but "
                            + String.join("; ", maskProblems));
        }
    }

    /**
     * An item whose picture was looked at.
     *
     * @param kept what is kept of its pictures; null where they must be made
     * @param masks what is kept of its masks; null where they must be made, or there are none
     * @param problem what is wrong with the picture; null where nothing is known to be
     * @param photo decoded where anything must be made; null also where it can't be read
     */
    private record Ahead(
            PictureCache.Keys keys,
            PictureCache.@Nullable Kept kept,
            @Nullable List<LatentMask> masks,
            @Nullable Photo photo,
            HeldOut.@Nullable Seen seen,
            @Nullable String problem) {}

    /** One pass over all items. */
    private final class Flow {
        private final List<Item> items;
        private final List<String> digests;
        private final ExecutorService pool;
        private final PicturesInMemory inMemory;
        private final Deque<Future<Ahead>> ahead = new ArrayDeque<>();
        private final Deque<Future<PreparedItem>> behind = new ArrayDeque<>();
        private final List<PreparedItem> prepared = new ArrayList<>();
        private int next;

        Flow(List<Item> items, List<String> digests, ExecutorService pool, PicturesInMemory inMemory) {
            this.items = items;
            this.digests = digests;
            this.pool = pool;
            this.inMemory = inMemory;
        }

        List<PreparedItem> run() throws IOException {
            for (int i = 0; i < items.size(); i++) {
                stops.stopIfAsked("while it read pictures");
                decodeAhead(i);
                one(i, Waits.get(ahead.remove()));
                progress.tell(Part.READ, i + 1, items.size());
                // A full disk should be known at the picture that meets it.
                while (!behind.isEmpty() && behind.element().isDone()) {
                    prepared.add(Waits.get(behind.remove()));
                }
            }
            for (Future<PreparedItem> future : behind) {
                prepared.add(Waits.get(future));
            }
            return prepared;
        }

        private void decodeAhead(int now) throws IOException {
            while (next < items.size()) {
                int index = next;
                long pixels = pixels(items.get(index));
                if (index == now) {
                    Waits.interruptibly(() -> {
                        inMemory.enter(index, pixels);
                        return true;
                    });
                } else if (!inMemory.tryEnter(index, pixels)) {
                    return;
                }
                next++;
                ahead.add(pool.submit(() -> decode(index, items.get(index), digests.get(index), inMemory)));
            }
        }

        /** What is wrong with a file is told when its turn comes. */
        private static long pixels(Item item) {
            try {
                return Photo.pixels(item.file());
            } catch (IOException e) {
                return 0;
            }
        }

        private void one(int index, Ahead now) throws IOException {
            Item item = items.get(index);
            Photo photo = now.photo();
            if (photo == null) {
                PictureCache.Kept kept = now.kept();
                if (kept == null) {
                    unreadable.add(item.name() + " " + now.problem());
                } else {
                    behind.add(pool.submit(() -> cache.place(index, item, now.keys(), kept, now.masks())));
                }
                inMemory.leave(index);
                return;
            }
            Mat mask;
            try {
                mask = mask(item, now, photo);
            } catch (UnusableMaskException e) {
                maskProblems.add(e.getMessage());
                inMemory.leave(index);
                return;
            }
            if (mask != null) {
                inMemory.hold(index, mask::release);
            }
            Mat enlarged = now.kept() == null ? maker.enlarged(item, photo, mask) : null;
            if (enlarged != null) {
                inMemory.hold(index, enlarged::release);
            }
            behind.add(pool.submit(() -> {
                try {
                    return make(
                            index,
                            item,
                            now,
                            photo,
                            new PictureMaker.Pixels(enlarged == null ? photo.colour() : enlarged, mask));
                } finally {
                    inMemory.leave(index);
                }
            }));
        }
    }

    /** Only where it is made anew, or the crop is made anew that it decides on. */
    private @Nullable Mat mask(Item item, Ahead now, Photo photo) throws IOException, UnusableMaskException {
        boolean needed =
                now.masks() == null || (now.kept() == null && steps.placement().usesMask());
        return steps.masks() != null && needed ? steps.masks().mask(item, photo) : null;
    }

    private Ahead decode(int index, Item item, String digest, PicturesInMemory inMemory) throws IOException {
        PictureCache.Keys keys = cache.keys(index, item, digest);
        PictureCache.Kept kept = cache.picture(keys);
        List<LatentMask> masks = kept == null ? null : cache.masks(keys, kept.places());
        if (kept != null && (masks != null || keys.mask() == null)) {
            return new Ahead(keys, kept, masks, null, null, null);
        }
        Photo photo;
        try {
            photo = Photo.read(item.file(), steps.options(), (width, height) -> reduction(item, width, height));
        } catch (UnreadablePictureException e) {
            return new Ahead(keys, null, null, null, null, e.getMessage());
        }
        inMemory.hold(index, photo::close);
        HeldOut.Seen seen = kept == null ? HeldOut.Seen.of(photo.colour()) : kept.seen();
        return new Ahead(keys, kept, masks, photo, seen, null);
    }

    /** What is left is scaled to half and less, so that the scaling's filter decides how a prepared picture looks. */
    private int reduction(Item item, int width, int height) {
        double shrunk = steps.placement().places(item, width, height, null).stream()
                .mapToDouble(place -> (double) width / place.scaledWidth())
                .min()
                .orElse(1);
        double measured = (double) Math.max(width, height) / PictureMeasures.SIDE;
        return Math.max(1, (int) (Math.min(shrunk, measured) / MARGIN));
    }

    private PreparedItem make(int index, Item item, Ahead now, Photo photo, PictureMaker.Pixels pixels)
            throws IOException {
        PictureCache.Kept kept = now.kept() == null ? pictures(index, item, now, photo, pixels) : now.kept();
        List<LatentMask> masks = now.masks();
        if (masks == null && steps.masked()) {
            masks = maker.masks(index, item, photo, pixels);
            cache.keepMasks(now.keys(), masks);
        }
        return cache.place(index, item, now.keys(), kept, masks);
    }

    private PictureCache.Kept pictures(int index, Item item, Ahead now, Photo photo, PictureMaker.Pixels pixels)
            throws IOException {
        PictureMaker.Made made = maker.pictures(index, item, photo, pixels);
        PictureCache.Kept kept = new PictureCache.Kept(
                Objects.requireNonNull(now.seen()),
                photo.width(),
                photo.height(),
                photo.animated(),
                made.places(),
                made.variations(),
                made.pngs().stream().map(Sha256::of).toList());
        return cache.keepPictures(now.keys(), kept, made.pngs());
    }

    /** Which pictures count as a whole because nothing was found that is looked for, in a sentence; null if none. */
    @Nullable String unfound(List<PreparedItem> prepared) {
        MaskMaker masks = steps.masks();
        if (masks == null) {
            return null;
        }
        List<String> names = prepared.stream()
                .filter(item -> masks.looksFor(item.item()))
                .filter(item -> item.pictures().stream()
                        .anyMatch(p -> p.mask() != null && p.mask().whole()))
                .map(item -> item.item().name())
                .toList();
        return names.isEmpty()
                ? null
                : "`spec.preparation.mask` finds nothing in %d of %d pictures, which count as a whole: %s"
                        .formatted(names.size(), prepared.size(), Names.some(names, NAMED));
    }
}
