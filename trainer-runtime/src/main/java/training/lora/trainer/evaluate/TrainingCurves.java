package training.lora.trainer.evaluate;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.trainer.page.Chart;
import training.lora.trainer.page.Chart.Look;

/** What the train stage wrote of each step, as charts. */
final class TrainingCurves {
    /** Memory of a running mean, as a share of the run. */
    private static final double SMOOTH = 1 / 20.0;

    private static final double MIN_MEMORY = 5;

    /** Pictures whose curves are drawn; more can't be told apart. */
    private static final int PICTURES = 60;

    /**
     * A line of loss.jsonl.
     *
     * @param samples numbers of the pictures that the step was trained on; null where an earlier release wrote it
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    private record Step(
            int step,
            double loss,
            double learningRate,
            double gradientNorm,
            @Nullable Double validationLoss,
            int @Nullable [] samples) {}

    /**
     * How hard a picture was.
     *
     * @param sample its number
     * @param times how often it was trained on
     * @param relative the mean of its batches' losses, as a share of what was usual when they were
     */
    record Hardness(int sample, int times, double relative) {}

    private final List<Step> steps;
    private final double[] numbers;
    private final double[] smooth;

    private TrainingCurves(List<Step> steps) {
        this.steps = steps;
        this.numbers = steps.stream().mapToDouble(Step::step).toArray();
        this.smooth = smoothed(values(Step::loss));
    }

    static TrainingCurves read(Path file) throws IOException {
        List<Step> steps = new ArrayList<>();
        if (Files.isRegularFile(file)) {
            for (String line : Files.readAllLines(file)) {
                try {
                    steps.add(Json.MAPPER.readValue(line, Step.class));
                } catch (JsonProcessingException e) {
                    // The last line of a process that was killed.
                    break;
                }
            }
        }
        return new TrainingCurves(steps);
    }

    private double[] values(ToDoubleFunction<Step> value) {
        return steps.stream().mapToDouble(value).toArray();
    }

    /** Running means, corrected for their start. */
    private static double[] smoothed(double[] values) {
        double keep = 1 - 1 / Math.max(MIN_MEMORY, values.length * SMOOTH);
        double[] smooth = new double[values.length];
        double mean = 0;
        for (int i = 0; i < smooth.length; i++) {
            mean = keep * mean + (1 - keep) * values[i];
            smooth[i] = mean / (1 - Math.pow(keep, i + 1));
        }
        return smooth;
    }

    /** @param validationBefore the loss on held-out pictures before the first step; null where there are none */
    String charts(@Nullable Double validationBefore) {
        if (steps.isEmpty()) {
            return "<p>No step was logged.</p>";
        }
        double[] loss = values(Step::loss);
        Chart losses = new Chart("Loss").fromZero();
        losses.curve("each step", numbers, loss, Look.Faint, 1);
        losses.curve("running mean", numbers, smooth, Look.Line, 0);
        double[][] heldOut = heldOut(validationBefore);
        if (heldOut[0].length > 0) {
            losses.curve("held-out pictures", heldOut[0], heldOut[1], Look.Dots, 2);
        }
        Chart shape = new Chart("Loss, running means, each over its maximum").fromZero();
        shape.curve("training", numbers, overMaximum(smooth), Look.Line, 0);
        if (heldOut[0].length > 0) {
            shape.curve("held out", heldOut[0], overMaximum(heldOut[1]), Look.Dots, 2);
        }
        double[] norms = values(Step::gradientNorm);
        return losses.html()
                + shape.html()
                + new Chart("Learning rate")
                        .fromZero()
                        .curve(null, numbers, values(Step::learningRate), Look.Line, 1)
                        .html()
                + new Chart("Norm of the gradient")
                        .fromZero()
                        .curve("each step", numbers, norms, Look.Faint, 3)
                        .curve("running mean", numbers, smoothed(norms), Look.Line, 3)
                        .html()
                + perPicture();
    }

    private double[][] heldOut(@Nullable Double before) {
        List<double[]> points = new ArrayList<>();
        if (before != null) {
            points.add(new double[] {0, before});
        }
        for (Step step : steps) {
            Double value = step.validationLoss();
            if (value != null) {
                points.add(new double[] {step.step(), value});
            }
        }
        return new double[][] {
            points.stream().mapToDouble(p -> p[0]).toArray(),
            points.stream().mapToDouble(p -> p[1]).toArray()
        };
    }

    private static double[] overMaximum(double[] values) {
        double most = Arrays.stream(values).max().orElse(1);
        return Arrays.stream(values).map(v -> most == 0 ? 0 : v / most).toArray();
    }

    /** Steps and losses of each picture, as shares of the running mean at that step, by its number. */
    private Map<Integer, List<double[]>> byPicture() {
        Map<Integer, List<double[]>> all = new TreeMap<>();
        for (int i = 0; i < steps.size(); i++) {
            Step step = steps.get(i);
            if (step.samples() != null && smooth[i] > 0) {
                for (int sample : step.samples()) {
                    all.computeIfAbsent(sample, s -> new ArrayList<>())
                            .add(new double[] {step.step(), step.loss() / smooth[i], step.loss()});
                }
            }
        }
        return all;
    }

    private String perPicture() {
        Map<Integer, List<double[]>> all = byPicture();
        if (all.isEmpty()) {
            return "";
        }
        Chart chart = new Chart("Loss of each picture, running means").fromZero();
        all.entrySet().stream().limit(PICTURES).forEach(e -> {
            double[] x = e.getValue().stream().mapToDouble(p -> p[0]).toArray();
            double[] y = smoothed(e.getValue().stream().mapToDouble(p -> p[2]).toArray());
            chart.curve(null, x, y, Look.Faint, e.getKey());
        });
        return chart.html();
    }

    /** The pictures from the hardest on. */
    List<Hardness> hardest() {
        return byPicture().entrySet().stream()
                .map(e -> new Hardness(
                        e.getKey(),
                        e.getValue().size(),
                        e.getValue().stream().mapToDouble(p -> p[1]).average().orElseThrow()))
                .sorted(Comparator.comparingDouble(Hardness::relative).reversed())
                .toList();
    }

    /** Pictures in a step. */
    int batch() {
        return steps.stream()
                .map(Step::samples)
                .filter(Objects::nonNull)
                .mapToInt(samples -> samples.length)
                .findFirst()
                .orElse(0);
    }
}
