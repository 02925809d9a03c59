package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.page.Chart;
import training.lora.trainer.page.Chart.Look;
import training.lora.trainer.tensor.LazyTensor;

/** The sizes of the weights in a checkpoint's file: their histograms, and norms of what is added to the model. */
final class AdapterShape {
    /** Powers of ten of a weight's size, and bins for each. */
    private static final int LEAST = -7;

    private static final int MOST = 1;
    private static final int BINS = 8;

    private final int step;
    private final Map<AdapterPart, double[]> counts = new EnumMap<>(AdapterPart.class);
    private final Map<Component, Double> squares = new EnumMap<>(Component.class);
    private boolean decomposed;

    private AdapterShape(int step) {
        this.step = step;
    }

    static AdapterShape of(int step, Path file, StableDiffusion model, NDManager parent) {
        AdapterShape shape = new AdapterShape(step);
        try (AdapterFile opened = AdapterFiles.open(file, model)) {
            for (AdapterModule module : opened.modules()) {
                double norm = module.norm();
                shape.squares.merge(module.form().component(), norm * norm, Double::sum);
                shape.decomposed |= module.form().kind() instanceof Dora;
                for (AdapterPart part : module.form().kind().parts()) {
                    count(
                            module.value(part),
                            shape.counts.computeIfAbsent(part, p -> new double[(MOST - LEAST) * BINS]),
                            parent);
                }
            }
        }
        return shape;
    }

    private static void count(LazyTensor tensor, double[] bins, NDManager parent) {
        try (NDManager scope = parent.newSubManager();
                NDArray values = tensor.in(scope)) {
            for (float value : values.toFloatArray()) {
                double at = (Math.log10(Math.abs(value)) - LEAST) * BINS;
                bins[(int) Math.max(0, Math.min(bins.length - 1, at))]++;
            }
        }
    }

    /** Charts of all checkpoints, the later ones in other colours. */
    static String charts(List<AdapterShape> shapes) {
        Map<AdapterPart, Chart> histograms = new EnumMap<>(AdapterPart.class);
        double[] x = new double[(MOST - LEAST) * BINS];
        for (int i = 0; i < x.length; i++) {
            x[i] = LEAST + (i + 0.5) / BINS;
        }
        Map<Component, List<double[]>> norms = new LinkedHashMap<>();
        for (int i = 0; i < shapes.size(); i++) {
            AdapterShape shape = shapes.get(i);
            int colour = i;
            shape.counts.forEach((part, counts) -> histograms
                    .computeIfAbsent(part, p -> new Chart(
                                    "Histogram of the weights of %s, by log10 of their size".formatted(name(p)))
                            .fromZero())
                    .curve("step " + shape.step, x, shares(counts), Look.Line, colour));
            shape.squares.forEach((component, square) -> norms.computeIfAbsent(component, c -> new ArrayList<>())
                    .add(new double[] {shape.step, Math.sqrt(square)}));
        }
        Chart sizes = new Chart(
                        shapes.stream().anyMatch(s -> s.decomposed)
                                ? "Norm of the product s B A, which DoRA adds to the weights before it gives outputs their magnitudes"
                                : "Norm of what the adapter adds to the weights")
                .fromZero();
        norms.forEach((component, points) -> sizes.curve(
                component.folder(),
                points.stream().mapToDouble(p -> p[0]).toArray(),
                points.stream().mapToDouble(p -> p[1]).toArray(),
                Look.Dots,
                component.ordinal()));
        StringBuilder html = new StringBuilder(sizes.html());
        histograms.values().forEach(chart -> html.append(chart.html()));
        return html.toString();
    }

    private static String name(AdapterPart part) {
        return switch (part) {
            case Down -> "A (down)";
            case Up -> "B (up)";
            case Magnitude -> "the magnitudes";
            default -> part.kohya().substring(1);
        };
    }

    private static double[] shares(double[] counts) {
        double sum = 0;
        for (double count : counts) {
            sum += count;
        }
        double[] shares = new double[counts.length];
        for (int i = 0; i < counts.length; i++) {
            shares[i] = sum == 0 ? 0 : counts[i] / sum;
        }
        return shares;
    }
}
