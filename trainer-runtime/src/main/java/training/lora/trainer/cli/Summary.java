package training.lora.trainer.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Metric;

/** What a run came to, for people: the loss's course, the metrics side by side, the files. */
final class Summary {
    private static final List<String> METRICS = List.of(
            "styleAlignment", "trainingImageAlignment", "textAlignment", "diversity", "learned", "kept", "score");

    private static final int CHART_WIDTH = 60;

    private static final String LEVELS = "▁▂▃▄▅▆▇█";

    private Summary() {}

    /**
     * @param folder that has the files, as far as they are here
     * @param place that has them all
     */
    static void print(Manifest manifest, Path folder, String place, PrintStream out) throws IOException {
        out.println();
        if (Files.exists(folder.resolve("loss.jsonl"))) {
            chart(folder.resolve("loss.jsonl"), out);
        }
        if (manifest.base() != null) {
            out.printf("%-14s", "");
            METRICS.forEach(m -> out.print(cell(m, m)));
            out.println();
            row("base model", manifest.base(), out);
            for (Checkpoint c : manifest.checkpoints()) {
                boolean best = manifest.best() != null
                        && c.step().equals(manifest.best().step());
                row("step " + c.step() + (best ? " *" : ""), c, out);
            }
            out.println("* the best, which " + manifest.owner().name() + ".safetensors is");
            out.println();
        }
        for (Artifact a : manifest.files()) {
            if (!a.uri().startsWith("checkpoints/")) {
                out.printf(
                        "%-50s %10d bytes  sha256 %s…%n",
                        a.uri(), a.sizeBytes(), a.sha256().substring(0, 16));
            }
        }
        out.println();
        out.println("in " + place);
        if (Files.exists(folder.resolve("samples.png"))) {
            out.println("Look at " + folder.resolve("samples.png"));
        }
    }

    private static void row(String name, Checkpoint c, PrintStream out) {
        out.printf("%-14s", name);
        for (String m : METRICS) {
            Metric metric = c.metric(m);
            out.print(cell(m, metric == null ? "-" : metric.value()));
        }
        out.println();
    }

    /** {@code text} in the column of a metric. */
    private static String cell(String metric, String text) {
        return " ".repeat(Math.max(2, Math.max(metric.length() + 2, 10) - text.length())) + text;
    }

    /** The loss, each column the mean over as many steps. */
    private static void chart(Path file, PrintStream out) throws IOException {
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            losses.add(Json.MAPPER.readTree(line).path("loss").asDouble());
        }
        int columns = Math.min(CHART_WIDTH, losses.size());
        double[] means = new double[columns];
        for (int i = 0; i < columns; i++) {
            means[i] = losses.subList(i * losses.size() / columns, (i + 1) * losses.size() / columns).stream()
                    .mapToDouble(d -> d)
                    .average()
                    .orElse(0);
        }
        double low = java.util.Arrays.stream(means).min().orElse(0);
        double high = java.util.Arrays.stream(means).max().orElse(1);
        StringBuilder bars = new StringBuilder();
        for (double mean : means) {
            bars.append(LEVELS.charAt((int) Math.min(7, Math.floor(8 * (mean - low) / (high - low + 1e-12)))));
        }
        out.printf("loss over %d steps, %.4f to %.4f%n%s%n%n", losses.size(), low, high, bars);
    }
}
