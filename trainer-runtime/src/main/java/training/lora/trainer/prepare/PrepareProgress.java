package training.lora.trainer.prepare;

import java.util.List;
import training.lora.api.Stage;
import training.lora.trainer.run.RunContext;

/**
 * How far the stage is. Each picture counts twice, once when it is read and once when its latents are there, so that the
 * number goes on from the first picture to the last.
 */
final class PrepareProgress {
    private final RunContext context;
    private final int items;
    private long begin = System.nanoTime();

    PrepareProgress(RunContext context, int items) {
        this.context = context;
        this.items = items;
        report(0, null);
    }

    /** @param done pictures that were read */
    void pictures(int done) {
        report(done, null);
        begin = System.nanoTime();
    }

    /**
     * Tells of latents.
     *
     * @param done those that are there
     * @param all how many there will be
     */
    void latents(int done, int all) {
        double rate = (System.nanoTime() - begin) / 1e9 / Math.max(1, done);
        report(items + (int) ((long) items * done / all), (int) Math.ceil(rate * (all - done)));
    }

    private void report(int done, @org.jspecify.annotations.Nullable Integer left) {
        context.report(Stage.Prepare, done, 2 * items, left, List.of(), null);
    }
}
