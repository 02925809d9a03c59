package training.lora.trainer.prepare;

import org.jspecify.annotations.Nullable;

/**
 * How far the stage is. Each picture counts once for each part of the work, so that the number goes on from the first picture
 * to the last, and never back: what an earlier preparation has kept counts as done.
 */
final class PrepareProgress {
    /** What is done with pictures, in order. */
    enum Part {
        READ,
        CAPTIONED,
        EMBEDDED,
        ENCODED
    }

    private final int items;
    private final Told told;
    private Part part = Part.READ;
    private long begin = System.nanoTime();
    private int reported = -1;

    /** Takes what is told. */
    interface Told {
        /**
         * @param done of {@code all}
         * @param seconds that are left; null where nobody knows
         */
        void tell(int done, int all, @Nullable Integer seconds);
    }

    PrepareProgress(int items, Told told) {
        this.items = items;
        this.told = told;
        tell(0, null);
    }

    /**
     * Tells how far a part is.
     *
     * @param done how many are made
     * @param all how many must be made, some of which may be kept
     */
    void tell(Part now, int done, int all) {
        if (now != part) {
            part = now;
            begin = System.nanoTime();
        }
        int units = now.ordinal() * items + (all == 0 ? items : (int) ((long) items * done / all));
        double rate = (System.nanoTime() - begin) / 1e9 / Math.max(1, done);
        // Of other parts nobody knows how long the next will take.
        tell(units, now == Part.ENCODED ? (int) Math.ceil(rate * (all - done)) : null);
    }

    private void tell(int done, @Nullable Integer seconds) {
        if (done > reported) {
            reported = done;
            told.tell(done, Part.values().length * items, seconds);
        }
    }
}
