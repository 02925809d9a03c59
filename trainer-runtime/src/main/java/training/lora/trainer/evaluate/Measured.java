package training.lora.trainer.evaluate;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;

/**
 * Pictures of the base model or a checkpoint, and what was measured of them.
 *
 * @param trained what the training had measured
 * @param pictures their files
 * @param metrics the means of those by concept
 * @param byConcept of each concept
 * @param values what was measured of each picture, for each concept
 * @param nearest the nearest training pictures of the pictures of each concept, in the order of its prompts
 */
@RecordBuilder
record Measured(
        Checkpoint trained,
        List<Path> pictures,
        ConceptMetrics metrics,
        List<ConceptMetrics> byConcept,
        List<PictureValues> values,
        List<List<Memorisation.Nearest>> nearest) {
    int step() {
        return trained.step();
    }

    /** With what was measured in place of what an earlier measurement says. */
    Checkpoint checkpoint() {
        List<Metric> own = metrics.toMetrics();
        List<Metric> all = new ArrayList<>(trained.metrics());
        all.removeIf(m -> own.stream().anyMatch(o -> o.name().equals(m.name())));
        all.addAll(own);
        return new Checkpoint(step(), all);
    }
}
