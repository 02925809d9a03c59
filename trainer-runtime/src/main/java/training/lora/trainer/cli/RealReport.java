package training.lora.trainer.cli;

import ai.djl.Device;
import ai.djl.engine.Engine;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import training.lora.api.Artifact;
import training.lora.api.BaseWeights;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Manifest;
import training.lora.api.Metric;
import training.lora.api.Precision;
import training.lora.api.Uris;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.publish.Output;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.trained.TrainSummary;

/**
 * The report of {@code verify-real}, in Markdown, from what a finished run left in its workspace.
 *
 * @param manifest of the output
 * @param data what was prepared
 * @param summary of the train stage
 * @param timing where its time went, train/timing.json
 * @param losses of each step
 * @param workspace the run's
 */
record RealReport(
        Manifest manifest,
        DatasetManifest data,
        TrainSummary summary,
        JsonNode timing,
        List<Double> losses,
        Path workspace) {
    private static final double MEBIBYTE = 1 << 20;

    /** Steps at either end over which the loss is averaged. */
    private static final int LOSS_STEPS = 10;

    /** @param workspace of a run that has ended well */
    static RealReport read(Path workspace) throws IOException {
        Path train = workspace.resolve("train");
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(train.resolve("loss.jsonl"))) {
            losses.add(Json.MAPPER.readTree(line).path("loss").asDouble());
        }
        return new RealReport(
                Json.MAPPER.readValue(
                        workspace.resolve("output").resolve(Output.MANIFEST).toFile(), Manifest.class),
                Json.MAPPER.readValue(
                        workspace.resolve("dataset").resolve("manifest.json").toFile(), DatasetManifest.class),
                TrainSummary.read(train),
                Json.MAPPER.readTree(train.resolve("timing.json").toFile()),
                losses,
                workspace);
    }

    /**
     * Writes report.md and the pictures beside it.
     *
     * @param version of the trainer
     * @param gpu what watched the card during the run
     * @return report.md
     */
    Path write(Path folder, Instant now, String version, GpuMonitor gpu) throws IOException {
        Path output = workspace.resolve("output");
        for (String picture : List.of("samples.png", "loss.png")) {
            Files.copy(output.resolve(picture), folder.resolve(picture), StandardCopyOption.REPLACE_EXISTING);
        }
        String text = "# verify-real, " + now.truncatedTo(ChronoUnit.SECONDS) + "\n\n"
                + table(version, gpu)
                + "\n## Pictures\nThe same prompts and seeds without the LoRA and with it.\n\n![pictures](samples.png)\n"
                + metrics()
                + "\n## Loss\n![loss](loss.png)\n"
                + files()
                + "\n## Spec, with all defaults\n```yaml\n"
                + Json.STRICT_YAML.writeValueAsString(manifest.spec())
                + "```\n";
        Path report = folder.resolve("report.md");
        WholeFile.write(report, temporary -> Files.writeString(temporary, text));
        return report;
    }

    private String table(String version, GpuMonitor gpu) throws IOException {
        LoraTrainingSpec spec = manifest.spec();
        Engine engine = Engine.getEngine("PyTorch");
        StringBuilder rows = new StringBuilder("| | |\n|---|---|\n");
        row(rows, "base model", "%s, family %s", Uris.shown(spec.baseModel().uri()), manifest.model());
        row(rows, "its sha256", "%s", manifest.baseModelDigest());
        row(
                rows,
                "data",
                "%s, %d pictures at %d pixels",
                Uris.shown(spec.datasets().get(0).uri()),
                data.samples().size(),
                data.resolution());
        row(rows, "its sha256", "%s", manifest.datasetDigest());
        row(rows, "device", "%s", String.valueOf(manifest.device()));
        row(rows, "card", "%s", gpu.name().orElse("none"));
        row(rows, "processor", "%s, %d threads", processor(), TorchScript.threads());
        row(rows, "precision", "%s", precision());
        row(rows, "training", "%d steps of %d", losses.size(), spec.training().batchSize());
        row(rows, "seconds a step", "%.3f", seconds("secondsPerStep"));
        row(rows, "seconds of the training", "%s", phases());
        row(rows, "peak memory of the process", "%.0f MiB", seconds("peakResidentBytes") / MEBIBYTE);
        if (gpu.name().isPresent()) {
            row(rows, "peak memory of the card, others' included", "%d MiB", gpu.peakMebibytes());
        }
        int ends = Math.min(LOSS_STEPS, losses.size());
        row(
                rows,
                "loss of the first and of the last " + ends + " steps",
                "%.5f, %.5f",
                mean(losses.subList(0, ends)),
                mean(losses.subList(losses.size() - ends, losses.size())));
        TrainSummary.FixedSetLoss loss = summary.fixedSetLoss();
        if (loss != null) {
            row(rows, "loss over a fixed set, before and after", "%.5f, %.5f", loss.before(), loss.after());
        }
        row(
                rows,
                "versions",
                "%s, DJL %s, PyTorch %s, Java %s",
                version,
                Engine.getDjlVersion(),
                engine.getVersion(),
                System.getProperty("java.version"));
        row(rows, "system", "%s %s, %s", os("os.name"), os("os.version"), os("os.arch"));
        return rows.toString();
    }

    private static void row(StringBuilder rows, String name, String format, Object... values) {
        rows.append("| ")
                .append(name)
                .append(" | ")
                .append(String.format(Locale.ROOT, format, values))
                .append(" |\n");
    }

    private static String os(String property) {
        return System.getProperty(property);
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(d -> d).average().orElseThrow();
    }

    /** A number of timing.json, which has to be there. */
    private double seconds(String field) {
        return timing.required(field).asDouble();
    }

    private String precision() {
        Precision precision = manifest.spec().training().precision();
        boolean widened = "cpu".equals(manifest.device())
                && Numbers.of(precision, BaseWeights.Full, Device.cpu()).widens();
        return widened ? precision + ", computed in Float32" : precision.toString();
    }

    private String phases() {
        List<String> parts = new ArrayList<>();
        timing.fields().forEachRemaining(field -> {
            if (field.getKey().endsWith("Seconds")) {
                String phase = field.getKey().substring(0, field.getKey().length() - "Seconds".length());
                parts.add(String.format(
                        Locale.ROOT, "%s %.1f", phase, field.getValue().asDouble()));
            }
        });
        return String.join(", ", parts);
    }

    /** The processor's name where the kernel tells it, and the cores that this process has. */
    private static String processor() throws IOException {
        Path info = Path.of("/proc/cpuinfo");
        String name = "unknown";
        if (Files.isReadable(info)) {
            name = Files.readAllLines(info).stream()
                    .filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).trim())
                    .findFirst()
                    .orElse(name);
        }
        return "%s, %d cores".formatted(name, Runtime.getRuntime().availableProcessors());
    }

    private String metrics() {
        if (manifest.base() == null) {
            return "";
        }
        List<Checkpoint> all = new ArrayList<>(List.of(manifest.base()));
        all.addAll(manifest.checkpoints());
        StringBuilder rows = new StringBuilder("\n| |");
        manifest.base().metrics().forEach(m -> rows.append(' ').append(m.name()).append(" |"));
        rows.append("\n|---|")
                .append("---|".repeat(manifest.base().metrics().size()))
                .append('\n');
        for (Checkpoint c : all) {
            rows.append(c.step() == 0 ? "| base model |" : "| step " + c.step() + " |");
            for (Metric m : c.metrics()) {
                rows.append(' ').append(m.value()).append(" |");
            }
            rows.append('\n');
        }
        return rows.toString();
    }

    private String files() {
        StringBuilder rows = new StringBuilder("\n## Files\n| | bytes | sha256 |\n|---|---|---|\n");
        for (Artifact a : manifest.files()) {
            if (a.uri().endsWith(".safetensors") && !a.uri().startsWith("checkpoints/")) {
                rows.append("| run/output/%s | %d | %s |\n".formatted(a.uri(), a.sizeBytes(), a.sha256()));
            }
        }
        return rows.toString();
    }
}
