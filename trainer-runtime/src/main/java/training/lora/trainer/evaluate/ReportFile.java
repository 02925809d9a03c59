package training.lora.trainer.evaluate;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import training.lora.api.Checkpoint;
import training.lora.api.ConceptMode;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.ModelFamily;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.trained.TrainSummary;

/** Puts together what evaluation.json says. */
final class ReportFile {
    private final LoraTrainingSpec shown;
    private final LoraTrainingSpec spec;
    private final PreparedDataset data;
    private final TrainSummary summary;
    private final CheckpointMeter meter;

    ReportFile(RunContext context, PreparedDataset data, TrainSummary summary, CheckpointMeter meter) {
        this.spec = context.run().spec();
        this.shown = context.run().shown();
        this.data = data;
        this.summary = summary;
        this.meter = meter;
    }

    /** @param clip the CLIP model's name */
    EvaluationReport of(Measured base, List<Measured> measured, Measured best, String clip) {
        return EvaluationReportBuilder.builder()
                .edenModel(data.manifest().model().equals(ModelFamily.SDXL.name()) ? "sdxl" : "sd15")
                .edenCheckpoint("checkpoints/" + Publisher.folderName(best.step()))
                .edenMode(mode().name().toLowerCase(Locale.ROOT))
                .edenOutput(".")
                .edenImages(shown.datasets().stream()
                        .filter(d -> d.role() == DatasetRole.Train)
                        .map(DatasetSpec::uri)
                        .findFirst()
                        .orElse(""))
                .scores(EvaluationReport.EdenScores.of(best.metrics()))
                .version(EvaluationReport.VERSION)
                .definitions(definitions())
                .clip(clip)
                .sampler(new EvaluationReport.Sampler(
                        "Euler",
                        spec.sampling().steps(),
                        spec.sampling().guidance(),
                        spec.sampling().side(data.resolution())))
                .prompts(meter.prompts())
                .trainingImages(meter.meters().stream()
                        .mapToInt(m -> m.share().trainingImages())
                        .sum())
                .concepts(concepts(base, measured))
                .base(base.checkpoint())
                .checkpoints(measured.stream().map(Measured::checkpoint).toList())
                .intervals(intervals(base, measured))
                .select(spec.evaluation().select())
                .bestStep(best.step())
                .fixedSetLoss(summary.fixedSetLoss())
                .validationLoss(summary.validationLoss())
                .weights(spec.evaluation().weights())
                .safety(
                        meter.safety() == null
                                ? null
                                : meter.safety()
                                        .report(Stream.concat(Stream.of(base), measured.stream())
                                                .toList()))
                .build();
    }

    private ConceptMode mode() {
        return spec.datasets().stream()
                .filter(d -> d.role() == DatasetRole.Train && d.concept() != null)
                .map(d -> d.concept().mode())
                .findFirst()
                .orElse(ConceptMode.Style);
    }

    private Map<String, String> definitions() {
        Map<String, String> all = new LinkedHashMap<>(ConceptMetrics.DEFINITIONS);
        meter.more().forEach(metric -> all.put(metric.name(), metric.definition()));
        if (!meter.holdsOut()) {
            all.remove(HeldOut.ALIGNMENT);
            all.remove(HeldOut.OVERFIT);
        }
        return all;
    }

    private List<EvaluationReport.Intervals> intervals(Measured base, List<Measured> measured) {
        Bootstrap bootstrap = new Bootstrap(meter.meters(), spec.training().seed());
        return Stream.concat(Stream.of(base), measured.stream())
                .map(m -> {
                    List<Bootstrap.Sample> samples = new ArrayList<>();
                    for (int c = 0; c < m.values().size(); c++) {
                        samples.add(new Bootstrap.Sample(
                                m.values().get(c), base.values().get(c)));
                    }
                    Map<String, double[]> bounds = new LinkedHashMap<>();
                    bootstrap
                            .intervals(samples)
                            .forEach((name, i) -> bounds.put(name, new double[] {i.low(), i.high()}));
                    return new EvaluationReport.Intervals(m.step(), bounds);
                })
                .toList();
    }

    private List<EvaluationReport.ConceptReport> concepts(Measured base, List<Measured> measured) {
        List<EvaluationReport.ConceptReport> reports = new ArrayList<>();
        for (int i = 0; i < meter.meters().size(); i++) {
            int concept = i;
            ConceptShare share = meter.meters().get(i).share();
            reports.add(EvaluationReportConceptReportBuilder.builder()
                    .name(share.concept().name())
                    .prompts(share.prompts())
                    .trainingImages(share.trainingImages())
                    .heldOutImages(meter.heldOutImages(i))
                    .base(base.byConcept().get(i).toMetrics())
                    .checkpoints(measured.stream()
                            .map(m -> new Checkpoint(
                                    m.step(), m.byConcept().get(concept).toMetrics()))
                            .toList())
                    .copies(copies(i, base, measured))
                    .trigger(share.concept().trigger())
                    .build());
        }
        return reports;
    }

    private EvaluationReport.Copies copies(int concept, Measured base, List<Measured> measured) {
        ConceptShare share = meter.meters().get(concept).share();
        List<String> names = data.manifest().samples().stream()
                .filter(s -> s.variation() == null && share.concept().datasets().contains(s.dataset()))
                .map(Sample::name)
                .toList();
        List<EvaluationReport.NearestPicture> pictures = new ArrayList<>();
        Stream.concat(Stream.of(base), measured.stream()).forEach(m -> {
            List<Memorisation.Nearest> all = m.nearest().get(concept);
            for (int i = 0; i < all.size(); i++) {
                Memorisation.Nearest nearest = all.get(i);
                pictures.add(EvaluationReportNearestPictureBuilder.builder()
                        .step(m.step())
                        .prompt(share.prompts()[i])
                        .nearestByClip(names.get(nearest.byClip()))
                        .cosine(nearest.cosine())
                        .nearestByPixels(names.get(nearest.byPixels()))
                        .distance(nearest.distance())
                        .memorised(nearest.memorised())
                        .build());
            }
        });
        Memorisation bounds = meter.memorisations().get(concept);
        return new EvaluationReport.Copies(bounds.cosine(), bounds.distance(), pictures);
    }
}
