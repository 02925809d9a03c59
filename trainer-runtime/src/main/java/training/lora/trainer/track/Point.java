package training.lora.trainer.track;

import java.nio.file.Path;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.api.Stage;
import training.lora.trainer.report.TensorBoard;

/**
 * What a message says of a step, by the names that TensorBoard's files have too.
 *
 * @param stage Train or Evaluate
 * @param step of the training
 * @param time milliseconds since 1970
 * @param metrics by name; those of a checkpoint begin with checkpoint/
 * @param pictures PNG files that were drawn at this step
 */
record Point(Stage stage, int step, long time, Map<String, Double> metrics, List<Path> pictures) {
    /** Null where the message says nothing that is tracked. */
    static @Nullable Point of(ProgressMessage message, TensorBoard.Pictures drawn) {
        boolean trains = message.stage() == Stage.Train;
        Checkpoint checkpoint = message.checkpoint();
        int step = message.step();
        if (!trains) {
            if (message.stage() == Stage.Prepare || checkpoint == null) {
                return null;
            }
            // Of an evaluation the step is how many pictures are drawn; its checkpoints have steps of their own.
            step = checkpoint.step();
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        for (Metric metric : message.metrics()) {
            metrics.put(metric.name(), metric.number());
        }
        if (checkpoint != null) {
            for (Metric metric : checkpoint.metrics()) {
                metrics.put("checkpoint/" + metric.name(), metric.number());
            }
        }
        boolean draws = trains && (checkpoint != null || step == 0);
        List<Path> pictures = draws ? drawn.of(step) : List.of();
        return metrics.isEmpty() && pictures.isEmpty()
                ? null
                : new Point(message.stage(), step, Instant.parse(message.time()).toEpochMilli(), metrics, pictures);
    }

    /** A number as JSON has it; what JSON has no number for, such as the loss of a training that failed, as a word. */
    static Object json(double value) {
        return Double.isFinite(value)
                ? (Object) value
                : Double.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    }
}
