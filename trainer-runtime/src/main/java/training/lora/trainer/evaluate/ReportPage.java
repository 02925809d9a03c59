package training.lora.trainer.evaluate;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.DatasetRole;
import training.lora.api.Metric;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.evaluate.EvaluationReport.Intervals;
import training.lora.trainer.evaluate.EvaluationReport.NearestPicture;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.page.Chart;
import training.lora.trainer.page.Chart.Look;
import training.lora.trainer.page.Page;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.trained.CheckpointFiles;
import training.lora.trainer.trained.SamplePictures;
import training.lora.trainer.trained.TrainSummary;

/** report.html: what a training came to, in pictures, curves and numbers. */
final class ReportPage {
    private static final int SMALL = 96;
    private static final int TRAINING_PICTURES = 40;
    private static final int PAIRS = 12;
    private static final int HARDEST = 12;

    private final RunContext context;
    private final PreparedDataset data;
    private final TrainSummary summary;
    private final EvaluationReport report;
    private final Path train;
    private final StableDiffusion model;

    ReportPage(
            RunContext context,
            PreparedDataset data,
            TrainSummary summary,
            EvaluationReport report,
            StableDiffusion model) {
        this.model = model;
        this.context = context;
        this.data = data;
        this.summary = summary;
        this.report = report;
        this.train = context.workspace().train();
    }

    String html(Measured base, List<Measured> measured) throws IOException {
        Page page = new Page(context.run().owner().name());
        page.add(introduction());
        page.section("Metrics", metrics() + "<div class=\"charts\">" + metricCharts() + "</div>");
        page.section("Pictures", grid(base, measured) + sampled() + trainingPictures());
        page.section("Copies of training pictures", copies(base, measured));
        TrainingCurves curves = TrainingCurves.read(train.resolve("loss.jsonl"));
        TrainSummary.FixedSetLoss validation = summary.validationLoss();
        page.section(
                "Training",
                "<div class=\"charts\">" + curves.charts(validation == null ? null : validation.before()) + "</div>"
                        + hardest(curves));
        if (!context.run().spec().training().trainsModel()) {
            page.section("Weights of the adapter", "<div class=\"charts\">" + shapes() + "</div>");
        }
        page.section("What the numbers are", definitions());
        return page.html();
    }

    private String introduction() {
        Checkpoint best = checkpoint(report.bestStep());
        Metric score = best.metric("score");
        StringBuilder html = new StringBuilder("<p>The best checkpoint by %s is <span class=\"mark\">step %d</span>%s."
                .formatted(
                        report.select(), report.bestStep(), score == null ? "" : ", with a score of " + score.value()));
        html.append(" %d pictures were trained on%s; each checkpoint drew %d.</p>\n"
                .formatted(
                        report.trainingImages(),
                        heldOut() == 0 ? "" : " and " + heldOut() + " held out",
                        report.prompts().size()));
        String note = summary.note();
        if (note != null) {
            html.append("<p>").append(Page.escape(sentence(note))).append("</p>\n");
        }
        for (String told : report.notes(context.run().spec().preparation().safety())) {
            html.append("<p>").append(Page.escape(sentence(told))).append("</p>\n");
        }
        html.append("<p class=\"dim\">Base model %s; measured by %s; drawn by %s, %d steps, guidance %s.</p>\n"
                .formatted(
                        Page.escape(context.named().baseModel().shown()),
                        Page.escape(report.clip()),
                        report.sampler().method(),
                        report.sampler().steps(),
                        Metric.of("", report.sampler().guidance()).value()));
        return html.toString();
    }

    private static String sentence(String text) {
        return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1) + ".";
    }

    private int heldOut() {
        return data.samples(DatasetRole.Validation).length;
    }

    private Checkpoint checkpoint(int step) {
        return all().stream().filter(c -> c.step() == step).findFirst().orElseThrow();
    }

    private List<Checkpoint> all() {
        return Stream.concat(Stream.of(report.base()), report.checkpoints().stream())
                .toList();
    }

    private List<String> names() {
        return all().stream()
                .flatMap(c -> c.metrics().stream())
                .map(Metric::name)
                .distinct()
                .toList();
    }

    private Map<String, double[]> intervals(int step) {
        return report.intervals().stream()
                .filter(i -> i.step() == step)
                .map(Intervals::metrics)
                .findFirst()
                .orElse(Map.of());
    }

    private String metrics() {
        StringBuilder html = new StringBuilder("<div class=\"scroll\"><table><tr><th>step</th>");
        names().forEach(name -> html.append("<th>").append(Page.escape(name)).append("</th>"));
        html.append("</tr>\n");
        for (Checkpoint c : all()) {
            boolean best = c.step() == report.bestStep();
            html.append(best ? "<tr class=\"best\"><td class=\"mark\">" : "<tr><td>")
                    .append(c.step() == 0 ? "base model" : c.step() + (best ? " (best)" : ""))
                    .append("</td>");
            for (String name : names()) {
                Metric metric = c.metric(name);
                double[] interval = intervals(c.step()).get(name);
                html.append("<td>")
                        .append(metric == null ? "" : shown(metric.number()))
                        .append(
                                interval == null
                                        ? ""
                                        : "<small>%s to %s</small>".formatted(shown(interval[0]), shown(interval[1])))
                        .append("</td>");
            }
            html.append("</tr>\n");
        }
        return html.append(
                        "</table></div>\n<p class=\"dim\">Small: the middle 95 % if other pictures of the same prompts had"
                                + " been drawn.</p>\n")
                .toString();
    }

    private static String shown(double value) {
        return String.format(Locale.ROOT, Math.abs(value) >= 10 ? "%.1f" : "%.3f", value);
    }

    private String metricCharts() {
        StringBuilder html = new StringBuilder();
        int colour = 0;
        for (String name : names()) {
            List<Checkpoint> with =
                    all().stream().filter(c -> c.metric(name) != null).toList();
            if (with.size() < 2) {
                continue;
            }
            double[] x = with.stream().mapToDouble(Checkpoint::step).toArray();
            double[] y = of(with, c -> value(c, name));
            boolean bounds = with.stream().allMatch(c -> intervals(c.step()).containsKey(name));
            Chart chart = new Chart(name);
            if (bounds) {
                chart.band(name, x, y, of(with, c -> bound(c, name, 0)), of(with, c -> bound(c, name, 1)), colour++);
            } else {
                chart.curve(name, x, y, Look.Dots, colour++);
            }
            html.append(chart.html());
        }
        return html.toString();
    }

    private static double value(Checkpoint c, String name) {
        Metric metric = c.metric(name);
        return metric == null ? Double.NaN : metric.number();
    }

    private double bound(Checkpoint c, String name, int which) {
        double[] interval = intervals(c.step()).get(name);
        return interval == null ? Double.NaN : interval[which];
    }

    private static double[] of(List<Checkpoint> checkpoints, ToDoubleFunction<Checkpoint> value) {
        return checkpoints.stream().mapToDouble(value).toArray();
    }

    private String grid(Measured base, List<Measured> measured) throws IOException {
        Map<Integer, Measured> columns = new LinkedHashMap<>();
        columns.put(0, base);
        measured.forEach(m -> columns.put(m.step(), m));
        return PictureTable.html(
                report.prompts().stream()
                        .map(p -> "%s<small>seed %d</small>".formatted(Page.escape(p.text()), p.seed()))
                        .toList(),
                List.copyOf(columns.keySet()),
                report.bestStep(),
                (step, i) -> new PictureTable.Cell(
                        Objects.requireNonNull(columns.get(step)).pictures().get(i), unsafe(report.unsafe(step, i))));
    }

    private static @Nullable String unsafe(@Nullable Double probability) {
        return probability == null ? null : "unsafe, " + shown(probability);
    }

    private static String image(Path file, int side, String alt) {
        return Page.image(Picture.read(file).jpeg(side), alt);
    }

    /** The pictures that were drawn on the way, where they are of other prompts. */
    private String sampled() throws IOException {
        if (!context.run().spec().sampling().enabled()) {
            return "";
        }
        SamplePictures samples = SamplePictures.of(train, context.run().spec(), data);
        List<Integer> steps = Stream.concat(
                        Stream.of(0), report.checkpoints().stream().map(Checkpoint::step))
                .filter(samples::drawn)
                .toList();
        if (steps.isEmpty()) {
            return "";
        }
        List<String> rows = SamplePictures.prompts(context.run().spec(), data).stream()
                .map(p -> Page.escape(p.text()))
                .toList();
        return "<details open><summary>Drawn while it trained</summary>"
                + PictureTable.html(
                        rows,
                        steps,
                        0,
                        (step, i) -> new PictureTable.Cell(samples.file(step, i), unsafe(samples.unsafe(step, i))))
                + "</details>\n";
    }

    private String trainingPictures() {
        StringBuilder html = new StringBuilder();
        for (EvaluationReport.ConceptReport concept : report.concepts()) {
            List<Sample> samples = samples(concept);
            html.append("<h3>Training pictures%s (%d)</h3><div class=\"pictures\">"
                    .formatted(
                            report.concepts().size() == 1 ? "" : " of " + Page.escape(concept.name()), samples.size()));
            samples.stream().limit(TRAINING_PICTURES).forEach(s -> html.append(image(data.file(s), SMALL, s.name())));
            html.append("</div>\n");
        }
        return html.toString();
    }

    private List<Sample> samples(EvaluationReport.ConceptReport concept) {
        List<String> datasets = Concepts.of(context.run().spec().datasets()).all().stream()
                .filter(c -> c.name().equals(concept.name()))
                .findFirst()
                .orElseThrow()
                .datasets();
        return data.manifest().samples().stream()
                .filter(s -> s.variation() == null && datasets.contains(s.dataset()))
                .toList();
    }

    /** Copies of all checkpoints, or the nearest of the best one where there is none. */
    private String copies(Measured base, List<Measured> measured) {
        StringBuilder html = new StringBuilder();
        for (EvaluationReport.ConceptReport concept : report.concepts()) {
            List<NearestPicture> all = concept.copies().pictures();
            List<NearestPicture> copies = all.stream()
                    .filter(p -> p.memorised() && p.step() > 0)
                    .sorted(Comparator.comparingDouble(NearestPicture::distance))
                    .toList();
            List<NearestPicture> shown = copies.isEmpty()
                    ? all.stream()
                            .filter(p -> p.step() == report.bestStep())
                            .sorted(Comparator.comparingDouble(NearestPicture::distance))
                            .limit(4)
                            .toList()
                    : copies.stream().limit(PAIRS).toList();
            html.append("<p>%s%s A picture counts as a copy from a distance of %s on"
                            .formatted(
                                    report.concepts().size() == 1 ? "" : Page.escape(concept.name()) + ": ",
                                    copies.isEmpty()
                                            ? "no picture of a checkpoint copies a training picture; these of the best one come nearest."
                                            : copies.size() + " pictures of checkpoints copy a training picture.",
                                    shown(concept.copies().distance()))
                    + ". Left what was drawn, right the training picture.</p>\n<div class=\"pairs\">");
            for (NearestPicture pair : shown) {
                Path drawn = Stream.concat(Stream.of(base), measured.stream())
                        .filter(m -> m.step() == pair.step())
                        .findFirst()
                        .orElseThrow()
                        .pictures()
                        .get(pair.prompt());
                Path trained = samples(concept).stream()
                        .filter(s -> s.name().equals(pair.nearestByPixels()))
                        .map(data::file)
                        .findFirst()
                        .orElseThrow();
                html.append(
                        "<figure class=\"pair\">%s%s<p class=\"dim\">step %d, %s<br>%s: distance %s; nearest by CLIP %s: %s</p></figure>"
                                .formatted(
                                        image(drawn, PictureTable.SIDE, "drawn"),
                                        image(trained, PictureTable.SIDE, pair.nearestByPixels()),
                                        pair.step(),
                                        Page.escape(report.prompts()
                                                .get(pair.prompt())
                                                .text()),
                                        Page.escape(pair.nearestByPixels()),
                                        shown(pair.distance()),
                                        Page.escape(pair.nearestByClip()),
                                        shown(pair.cosine())));
            }
            html.append("</div>\n");
        }
        return html.toString();
    }

    private String hardest(TrainingCurves curves) {
        List<TrainingCurves.Hardness> all = curves.hardest();
        if (all.isEmpty()) {
            return "";
        }
        StringBuilder html =
                new StringBuilder("<h3>The hardest pictures</h3><p class=\"dim\">Losses as a share of what was usual"
                        + " at their steps");
        html.append(
                curves.batch() > 1
                        ? ", of batches of %d: a picture shares its batches' losses with others."
                                .formatted(curves.batch())
                        : ".");
        html.append("</p><div class=\"scroll\"><table><tr><th></th><th>picture</th><th>steps</th><th>loss</th></tr>\n");
        for (TrainingCurves.Hardness hard : all.subList(0, Math.min(HARDEST, all.size()))) {
            @Nullable Sample sample =
                    hard.sample() < data.size() ? data.manifest().samples().get(hard.sample()) : null;
            if (sample != null) {
                html.append("<tr><td class=\"cell\">%s</td><td>%s<small>%s</small></td><td>%d</td><td>%s</td></tr>\n"
                        .formatted(
                                image(data.file(sample), SMALL, sample.name()),
                                Page.escape(sample.name()),
                                Page.escape(sample.caption()),
                                hard.times(),
                                shown(hard.relative())));
            }
        }
        return html.append("</table></div>\n").toString();
    }

    private String shapes() {
        List<AdapterShape> shapes = report.checkpoints().stream()
                .map(c -> AdapterShape.of(
                        c.step(),
                        CheckpointFiles.adapterFile(context.run(), train, c.step()),
                        model,
                        context.manager()))
                .toList();
        return AdapterShape.charts(shapes);
    }

    private String definitions() {
        StringBuilder html = new StringBuilder("<dl>");
        report.definitions()
                .forEach((name, text) ->
                        html.append("<dt>%s</dt><dd>%s</dd>\n".formatted(Page.escape(name), Page.escape(text))));
        return html.append("</dl>\n").toString();
    }
}
