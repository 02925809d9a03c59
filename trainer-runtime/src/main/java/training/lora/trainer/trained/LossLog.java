package training.lora.trainer.trained;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.trainer.files.WholeFile;

/** The loss of every step, in memory and as JSON lines: line n is step n's, whatever interrupted the run. */
public final class LossLog {
    private static final Logger LOG = LoggerFactory.getLogger(LossLog.class);

    /** Its name in the train stage's folder. */
    public static final String FILE = "loss.jsonl";

    /**
     * A step's line.
     *
     * @param step steps done, from 1
     * @param loss the batch's weighted loss
     * @param learningRate the rate of the step
     * @param gradientNorm 2-norm of the gradient before it was scaled
     * @param validationLoss the loss over the held-out pictures after the step; null where it was not measured
     * @param samples numbers of the pictures that it was trained on, in the order of the prepared data; null where an
     *     earlier release wrote it
     * @param addedLosses what was minimised beside the loss, each times its weight, by the field of {@code spec.training} that
     *     asks for it; null for none
     * @param foundRate {@code learningRate} times the distance that the optimizer had found by the step's end, which is the
     *     rate that it moves at from there on; null where it finds none
     * @param tokensLearningRate the tokens' rate where they are trained beside an adapter, else null
     * @param tokensFoundRate this times the distance that their optimizer had found
     */
    @RecordBuilder
    public record Line(
            int step,
            double loss,
            double learningRate,
            double gradientNorm,
            @Nullable Double validationLoss,
            int @Nullable [] samples,
            @Nullable Map<String, Double> addedLosses,
            @Nullable Double foundRate,
            @Nullable Double tokensLearningRate,
            @Nullable Double tokensFoundRate) {
        public Line(int step, double loss, double learningRate, double gradientNorm) {
            this(step, loss, learningRate, gradientNorm, null, null, null, null, null, null);
        }

        public Line with(double measured) {
            return LossLogLineBuilder.builder(this).validationLoss(measured).build();
        }
    }

    private final Path file;
    private final List<Line> lines = new ArrayList<>();

    /** Reads what an interrupted run left in {@code file}, up to the first line that is not whole. */
    public LossLog(Path file) throws IOException {
        this.file = file;
        if (Files.isRegularFile(file)) {
            for (String text : Files.readAllLines(file)) {
                Line line = parse(text);
                if (line.step() != lines.size() + 1) {
                    break;
                }
                lines.add(line);
            }
        }
    }

    private static Line parse(String text) {
        try {
            return Json.MAPPER.readValue(text, Line.class);
        } catch (JsonProcessingException e) {
            return new Line(0, 0, 0, 0);
        }
    }

    /** Adds lines, whose numbers are finite. */
    public void add(List<Line> more) {
        try {
            Files.writeString(file, text(more), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            lines.addAll(more);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Puts what was measured after the newest step into its line. */
    public void validated(double measured) throws IOException {
        lines.add(lines.remove(lines.size() - 1).with(measured));
        WholeFile.write(file, temporary -> Files.writeString(temporary, text(lines)));
    }

    /** Drops the lines after {@code step}. */
    public void cut(int step) throws IOException {
        lines.subList(step, lines.size()).clear();
        WholeFile.write(file, temporary -> Files.writeString(temporary, text(lines)));
    }

    /** Waits until the lines are on the disk, so that no state is newer than they are. */
    public void force() throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    private static String text(List<Line> lines) throws JsonProcessingException {
        StringBuilder text = new StringBuilder();
        for (Line line : lines) {
            text.append(Json.MAPPER.writeValueAsString(line)).append('\n');
        }
        return text.toString();
    }

    /** Whether it has the lines up to the state of step {@code state}; the log says if it hasn't. */
    public boolean reaches(int state) {
        boolean reaches = lines.size() >= state;
        if (!reaches) {
            LOG.warn("the loss log ends before the state of step {}, the one before it is used", state);
        }
        return reaches;
    }

    public List<Line> lines() {
        return Collections.unmodifiableList(lines);
    }

    /** Mean loss of the newest {@code count} steps. */
    public double recent(int count) {
        return lines.subList(Math.max(0, lines.size() - count), lines.size()).stream()
                .mapToDouble(Line::loss)
                .average()
                .orElse(Double.NaN);
    }

    /** Mean added losses of the newest {@code count} steps, by their fields; empty for none. */
    public Map<String, Double> recentAdded(int count) {
        Map<String, Double> means = new LinkedHashMap<>();
        List<Line> newest = lines.subList(Math.max(0, lines.size() - count), lines.size()).stream()
                .filter(line -> line.addedLosses() != null)
                .toList();
        newest.forEach(line -> Objects.requireNonNull(line.addedLosses())
                .forEach((field, loss) -> means.merge(field, loss / newest.size(), Double::sum)));
        return means;
    }
}
