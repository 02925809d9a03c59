package training.lora.trainer.prepare;

import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;

/**
 * The decoded pictures that are in memory, which Java's heap knows nothing of: a few for each thread, and no more pixels than
 * there is room for. Each is released when it leaves, or in the end. Threads share it.
 */
final class PicturesInMemory {
    /** In all, with their masks some 500 MB. */
    static final int PIXELS = 1 << 27;

    /** What a picture counts as whose header doesn't tell its size. */
    private static final int UNKNOWN = 48_000_000;

    private final Semaphore pictures;
    private final Semaphore pixels = new Semaphore(PIXELS);
    private final Map<Integer, InMemory> all = new ConcurrentHashMap<>();

    /**
     * A picture.
     *
     * @param pixels as many as were taken for it
     * @param releases what frees its parts
     */
    private record InMemory(int pixels, Queue<Runnable> releases) {}

    /** @param most pictures, whatever their size */
    PicturesInMemory(int most) {
        this.pictures = new Semaphore(most);
    }

    /** Waits for room for a picture. One that is larger than all room takes all of it. */
    void enter(int index, long pixels) throws InterruptedException {
        int taken = taken(pixels);
        pictures.acquire();
        try {
            this.pixels.acquire(taken);
        } catch (InterruptedException e) {
            pictures.release();
            throw e;
        }
        entered(index, taken);
    }

    /** The same without waiting; false if there is no room. */
    boolean tryEnter(int index, long pixels) {
        int taken = taken(pixels);
        if (!pictures.tryAcquire()) {
            return false;
        }
        if (!this.pixels.tryAcquire(taken)) {
            pictures.release();
            return false;
        }
        entered(index, taken);
        return true;
    }

    private static int taken(long pixels) {
        return pixels <= 0 ? UNKNOWN : (int) Math.min(PIXELS, pixels);
    }

    private void entered(int index, int taken) {
        all.put(index, new InMemory(taken, new ConcurrentLinkedQueue<>()));
    }

    /** Takes note of what frees a part of a picture that has entered. */
    void hold(int index, Runnable release) {
        Objects.requireNonNull(all.get(index)).releases().add(release);
    }

    /** Frees a picture's parts and makes room. */
    void leave(int index) {
        InMemory gone = all.remove(index);
        if (gone != null) {
            gone.releases().forEach(Runnable::run);
            pixels.release(gone.pixels());
            pictures.release();
        }
    }

    /** Frees those that no thread came to. */
    void leaveAll() {
        all.keySet().forEach(this::leave);
    }
}
