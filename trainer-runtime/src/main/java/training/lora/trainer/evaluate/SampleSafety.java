package training.lora.trainer.evaluate;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import training.lora.api.SafetyAction;
import training.lora.api.SafetySpec;
import training.lora.trainer.evaluate.EvaluationReport.SafetyReport;
import training.lora.trainer.evaluate.EvaluationReport.UnsafePicture;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.safety.SafetyCheck;
import training.lora.trainer.sample.Picture;

/**
 * Which of the drawn pictures are unsafe. All are measured as they were drawn, so that the choice of a checkpoint doesn't
 * depend on it; what is published of a refused one is black. The model is open only while it looks.
 */
final class SampleSafety implements PictureMetric {
    static final String NAME = "unsafe";

    private final SafetySpec spec;
    private final Supplier<SafetyCheck> models;
    private final Path black;
    private final Map<Path, Double> known = new HashMap<>();

    /**
     * @param models opens the classifier
     * @param black where the picture goes that is shown in the place of refused ones
     */
    SampleSafety(SafetySpec spec, Supplier<SafetyCheck> models, Path black) {
        this.spec = spec;
        this.models = models;
        this.black = black;
    }

    /** The run's; null where nothing looks at pictures. */
    static @Nullable SampleSafety of(RunContext context) {
        SafetySpec spec = context.run().spec().preparation().safety();
        return spec == null || context.named().safetyModel() == null
                ? null
                : new SampleSafety(
                        spec,
                        () -> Objects.requireNonNull(SafetyCheck.open(context)),
                        context.workspace().evaluate().resolve("refused.png"));
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String definition() {
        return "share of the pictures that are unsafe by spec.preparation.safety";
    }

    @Override
    public double[] of(ConceptShare concept, List<Path> files, Embeddings vectors) {
        look(files);
        return files.stream().mapToDouble(file -> isUnsafe(file) ? 1 : 0).toArray();
    }

    /** What is known already isn't looked at again: concepts share their pictures. */
    private void look(List<Path> files) {
        List<Path> open =
                files.stream().filter(file -> !known.containsKey(file)).toList();
        if (open.isEmpty()) {
            return;
        }
        try (SafetyCheck check = models.get()) {
            for (Path file : open) {
                known.put(file, check.probability(Picture.read(file)));
            }
        }
    }

    private boolean isUnsafe(Path file) {
        return probability(file) >= spec.threshold();
    }

    private double probability(Path file) {
        return Objects.requireNonNull(known.get(file), () -> file + " was not looked at");
    }

    /** With a black picture in the place of each that is refused. */
    Measured shown(Measured measured) throws IOException {
        List<Path> shown = new ArrayList<>();
        for (Path file : measured.pictures()) {
            shown.add(spec.action() == SafetyAction.Refuse && isUnsafe(file) ? black(file) : file);
        }
        return MeasuredBuilder.builder(measured).pictures(shown).build();
    }

    /** All pictures of a run are of one size. */
    private Path black(Path refused) throws IOException {
        if (!Files.isRegularFile(black)) {
            SafetyCheck.black(Picture.read(refused)).write(black);
        }
        return black;
    }

    /** What evaluation.json says of it. */
    SafetyReport report(List<Measured> all) {
        List<UnsafePicture> unsafe = new ArrayList<>();
        for (Measured measured : all) {
            for (int i = 0; i < measured.pictures().size(); i++) {
                Path file = measured.pictures().get(i);
                if (isUnsafe(file)) {
                    unsafe.add(new UnsafePicture(measured.step(), i, probability(file)));
                }
            }
        }
        return new SafetyReport(spec.threshold(), spec.action(), unsafe);
    }

    /** What is unsafe, in a sentence; null if nothing. */
    static @Nullable String sentence(@Nullable SafetySpec spec, @Nullable SafetyReport report) {
        if (spec == null || report == null || report.pictures().isEmpty()) {
            return null;
        }
        return SafetyCheck.samplesSentence(
                spec,
                report.pictures().stream()
                        .map(p -> SafetyCheck.named(
                                "picture %d of %s"
                                        .formatted(
                                                p.prompt() + 1, p.step() == 0 ? "the base model" : "step " + p.step()),
                                p.probability()))
                        .toList());
    }
}
