package training.lora.trainer.prepare;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.LatentMasks.LatentMask;
import training.lora.trainer.prepare.mask.MaskMaker;
import training.lora.trainer.prepare.mask.UnusableMaskException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.prepare.place.Placement;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;

/**
 * Decodes pictures, makes their masks, crops and writes them. Threads decode ahead, and crop and write behind, while the
 * stage's own thread makes masks; a few decoded pictures are in memory at a time. What comes out is in the order of the
 * items, and the same whatever the order of the threads.
 */
final class PicturePipeline {
    /** Of decoded pictures in memory, for each thread: one that it works on, and one that waits. */
    private static final int PICTURES_PER_THREAD = 2;

    private final RunContext context;
    private final Steps steps;
    private final Path folder;
    private final List<String> unreadable = new ArrayList<>();
    private final List<String> maskProblems = new ArrayList<>();

    /**
     * What is done with each picture.
     *
     * @param masks makes masks; null where every part of a picture counts
     * @param placement sizes and crops
     * @param factor by which latents are smaller than pictures
     */
    record Steps(@Nullable MaskMaker masks, Placement placement, int factor) {}

    /**
     * A picture that is prepared.
     *
     * @param file relative to the folder
     * @param mask at the size of its latents; null where every part of a picture counts
     */
    record PreparedPicture(
            String file, Place place, @Nullable LatentMask mask) {}

    /**
     * What was made of an item.
     *
     * @param index the item's, from 0
     * @param seen what tells it from others
     * @param width of the whole picture
     * @param height of the whole picture
     */
    @RecordBuilder
    record PreparedItem(
            int index, Item item, HeldOut.Seen seen, int width, int height, List<PreparedPicture> pictures) {}

    PicturePipeline(RunContext context, Steps steps, Path folder) {
        this.context = context;
        this.steps = steps;
        this.folder = folder;
    }

    /**
     * Prepares all pictures.
     *
     * @throws TrainerException InvalidData, with every picture that can't be read or every mask that can't be used
     */
    List<PreparedItem> run(List<Item> items) throws IOException {
        Files.createDirectories(folder.resolve("images"));
        int threads = Runtime.getRuntime().availableProcessors();
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        List<PreparedItem> prepared;
        try {
            prepared = new Flow(items, pool, new Semaphore(PICTURES_PER_THREAD * threads)).run();
        } finally {
            end(pool);
        }
        requireAll(prepared);
        return prepared;
    }

    private void requireAll(List<PreparedItem> prepared) {
        if (!unreadable.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "every picture must be readable, but these are not: " + String.join(", ", unreadable));
        }
        for (PreparedItem item : prepared) {
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

    /** No thread may write to a folder that is deleted next. */
    private static void end(ExecutorService pool) {
        pool.shutdownNow();
        boolean interrupted = false;
        while (true) {
            try {
                if (pool.awaitTermination(1, TimeUnit.MINUTES)) {
                    break;
                }
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** A decoded picture. */
    private record Decoded(Photo photo, HeldOut.Seen seen) {}

    /** One pass over all items. */
    private final class Flow {
        private final List<Item> items;
        private final ExecutorService pool;
        private final Semaphore inMemory;
        private final Deque<Future<@Nullable Decoded>> ahead = new ArrayDeque<>();
        private final List<Future<PreparedItem>> behind = new ArrayList<>();
        private int next;

        Flow(List<Item> items, ExecutorService pool, Semaphore inMemory) {
            this.items = items;
            this.pool = pool;
            this.inMemory = inMemory;
        }

        List<PreparedItem> run() throws IOException {
            try {
                for (int i = 0; i < items.size(); i++) {
                    context.stopIfAsked("while it read pictures");
                    decodeAhead(i);
                    one(i, get(ahead.remove()));
                }
                List<PreparedItem> prepared = new ArrayList<>();
                for (Future<PreparedItem> future : behind) {
                    prepared.add(get(future));
                }
                return prepared;
            } finally {
                end(pool);
                for (Future<@Nullable Decoded> left : ahead) {
                    Decoded decoded = left.isDone() ? get(left) : null;
                    if (decoded != null) {
                        decoded.photo().close();
                    }
                }
            }
        }

        private void decodeAhead(int now) throws IOException {
            while (next < items.size()) {
                if (next == now) {
                    interruptibly(() -> {
                        inMemory.acquire();
                        return true;
                    });
                } else if (!inMemory.tryAcquire()) {
                    return;
                }
                Item item = items.get(next++);
                ahead.add(pool.submit(() -> decode(item)));
            }
        }

        private void one(int index, @Nullable Decoded decoded) throws IOException {
            Item item = items.get(index);
            if (decoded == null) {
                unreadable.add(item.name());
                inMemory.release();
                return;
            }
            Mat mask;
            try {
                mask = steps.masks() == null ? null : steps.masks().mask(item, decoded.photo());
            } catch (UnusableMaskException e) {
                maskProblems.add(e.getMessage());
                decoded.photo().close();
                inMemory.release();
                return;
            } catch (IOException | RuntimeException e) {
                decoded.photo().close();
                throw e;
            }
            behind.add(pool.submit(() -> {
                try {
                    return write(index, item, decoded, mask);
                } finally {
                    inMemory.release();
                }
            }));
        }
    }

    private static @Nullable Decoded decode(Item item) throws IOException {
        Photo photo = Photo.decode(item.file());
        return photo == null ? null : new Decoded(photo, HeldOut.Seen.of(photo.colour()));
    }

    private PreparedItem write(int index, Item item, Decoded decoded, @Nullable Mat mask) throws IOException {
        try (Photo photo = decoded.photo()) {
            List<PreparedPicture> pictures = new ArrayList<>();
            for (Place place : steps.placement().places(item, photo.width(), photo.height(), mask)) {
                // The first is called as the only one is.
                String file = pictures.isEmpty()
                        ? "images/%05d.png".formatted(index)
                        : "images/%05d-%d.png".formatted(index, pictures.size());
                Picture.ofBgr(place.cut(photo.colour())).write(folder.resolve(file));
                pictures.add(new PreparedPicture(
                        file, place, steps.masks() == null ? null : LatentMasks.of(mask, place, steps.factor())));
            }
            return PicturePipelinePreparedItemBuilder.builder()
                    .index(index)
                    .item(item)
                    .seen(decoded.seen())
                    .width(photo.width())
                    .height(photo.height())
                    .pictures(pictures)
                    .build();
        } finally {
            if (mask != null) {
                mask.release();
            }
        }
    }

    private static <T> T get(Future<T> future) throws IOException {
        return interruptibly(future::get);
    }

    /** Waits, and throws what the other thread threw. */
    private static <T> T interruptibly(Callable<T> wait) throws IOException {
        try {
            return wait.call();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException io) {
                throw io;
            }
            if (e.getCause() instanceof RuntimeException runtime) {
                throw runtime;
            }
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("the thread was interrupted", e);
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
