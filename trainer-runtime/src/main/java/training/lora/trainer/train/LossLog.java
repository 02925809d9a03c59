package training.lora.trainer.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** The loss of every step, in memory and as JSON lines. */
final class LossLog {
    /**
     * A step's line.
     *
     * @param step steps done, from 1
     * @param loss the batch's weighted loss
     * @param learningRate the rate of the step
     * @param gradientNorm 2-norm of the gradient before it was scaled
     */
    record Line(int step, double loss, double learningRate, double gradientNorm) {}

    private final Path file;
    private final List<Line> lines = new ArrayList<>();

    LossLog(Path file) throws IOException {
        this.file = file;
        Files.createDirectories(file.toAbsolutePath().getParent());
        Files.deleteIfExists(file);
    }

    /**
     * Adds lines.
     *
     * @throws TrainerException InternalError if a loss is not a number
     */
    void add(List<Line> more) {
        StringBuilder text = new StringBuilder();
        try {
            for (Line line : more) {
                if (!Double.isFinite(line.loss()) || !Double.isFinite(line.gradientNorm())) {
                    throw new TrainerException(
                            Reason.InternalError,
                            "the loss and its gradient must stay finite, but at step %d the loss was %s and the gradient's norm %s; a lower `training.optimizer.learningRate` may help"
                                    .formatted(line.step(), line.loss(), line.gradientNorm()));
                }
                lines.add(line);
                text.append(Json.MAPPER.writeValueAsString(line)).append('\n');
            }
            Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    List<Line> lines() {
        return Collections.unmodifiableList(lines);
    }

    /** Mean loss of the newest {@code count} steps. */
    double recent(int count) {
        return lines.subList(Math.max(0, lines.size() - count), lines.size()).stream()
                .mapToDouble(Line::loss)
                .average()
                .orElse(Double.NaN);
    }
}
