package training.lora.trainer.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * What the train stage leaves for those after it, in train/summary.json.
 *
 * @param runId the run
 * @param fixedSetLoss the loss over a fixed set before and after
 * @param checkpoints those that were kept, oldest first
 * @param baseModelDigest of its files
 */
public record TrainSummary(
        String runId, FixedSetLoss fixedSetLoss, List<Checkpoint> checkpoints, String baseModelDigest) {
    private static final String FILE = "summary.json";

    /**
     * Loss over a fixed set of (picture, noise, timestep).
     *
     * @param before with the fresh adapter, which changes nothing
     * @param after with the trained adapter
     */
    public record FixedSetLoss(double before, double after) {}

    /** Reads it from the train stage's folder. */
    public static TrainSummary read(Path train) throws IOException {
        Path file = train.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, file + " must exist: the train stage has to end before evaluation");
        }
        return Json.MAPPER.readValue(file.toFile(), TrainSummary.class);
    }

    void write(Path train) throws IOException {
        Json.PRETTY.writeValue(train.resolve(FILE).toFile(), this);
    }
}
