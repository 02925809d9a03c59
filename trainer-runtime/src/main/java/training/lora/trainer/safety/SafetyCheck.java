package training.lora.trainer.safety;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.SafetyAction;
import training.lora.api.SafetySpec;
import training.lora.trainer.Names;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.source.Source;

/** Looks at pictures as a spec asks for, and remembers which are unsafe. */
public final class SafetyCheck implements AutoCloseable {
    private static final int NAMED = 10;

    private final SafetyClassifier classifier;
    private final SafetySpec spec;
    private final List<String> unsafe = new ArrayList<>();

    /** @param classifier closed with it */
    public SafetyCheck(SafetyClassifier classifier, SafetySpec spec) {
        this.classifier = classifier;
        this.spec = spec;
    }

    /** Opens the run's; null where it asks for none. */
    public static @Nullable SafetyCheck open(RunContext context) {
        SafetySpec spec = context.run().spec().preparation().safety();
        Source model = context.named().safetyModel();
        if (spec == null || model == null) {
            return null;
        }
        SafetyClassifier classifier = SafetyClassifier.open(
                model.field(), OnnxFiles.graph(model.field(), context.sources().existing(model)));
        return new SafetyCheck(classifier, spec);
    }

    /**
     * Looks at a picture.
     *
     * @return whether it is unsafe
     */
    public boolean isUnsafe(String name, Picture picture) {
        double probability = probability(picture);
        if (isSafe(probability)) {
            return false;
        }
        unsafe.add(named(name, probability));
        return true;
    }

    /** How likely a picture is unsafe, from 0 to 1. */
    public double probability(Picture picture) {
        Mat bgr = picture.toMat();
        try {
            return classifier.unsafe(bgr);
        } finally {
            bgr.release();
        }
    }

    /** Whether a picture of this probability is safe. */
    public boolean isSafe(double probability) {
        return probability < spec.threshold();
    }

    /** What people see of an unsafe picture: itself, or, where such are refused, a black one. */
    public Picture shown(Picture picture) {
        return refuses() ? black(picture) : picture;
    }

    /** What is shown in a refused picture's place. */
    public static Picture black(Picture picture) {
        return new Picture(picture.width(), picture.height(), new byte[picture.rgb().length]);
    }

    /** A picture with its probability, as sentences have it. */
    public static String named(String name, double probability) {
        return String.format(Locale.ROOT, "%s (%.2f)", name, probability);
    }

    /**
     * What is said of unsafe samples.
     *
     * @param samples as {@link #named}, at least one
     */
    public static String samplesSentence(SafetySpec spec, List<String> samples) {
        return String.format(
                Locale.ROOT,
                "samples should be safe by `spec.preparation.safety` (less than %s), but these are not%s: %s",
                spec.threshold(),
                spec.action() == SafetyAction.Refuse ? " and are shown black" : "",
                Names.some(samples, NAMED));
    }

    /** Whether unsafe pictures are refused; else they are told. */
    public boolean refuses() {
        return spec.action() == SafetyAction.Refuse;
    }

    /** Which pictures are unsafe, in a sentence; null if none. */
    public @Nullable String sentence() {
        return unsafe.isEmpty()
                ? null
                : String.format(
                        Locale.ROOT,
                        "each picture must be safe by `spec.preparation.safety` (less than %s), but these are not: %s",
                        spec.threshold(),
                        Names.some(unsafe, NAMED));
    }

    @Override
    public void close() {
        classifier.close();
    }
}
