package training.lora.trainer.safety;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.SafetyAction;
import training.lora.api.SafetySpec;
import training.lora.trainer.Names;
import training.lora.trainer.onnx.OnnxFiles;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.source.Source;

/** Looks at pictures as a spec asks for, and remembers which are unsafe. */
public final class SafetyCheck implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SafetyCheck.class);

    private static final int NAMED = 10;

    private final SafetyClassifier classifier;
    private final SafetySpec spec;
    private final List<String> unsafe = new ArrayList<>();

    SafetyCheck(SafetyClassifier classifier, SafetySpec spec) {
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
        Mat bgr = picture.toMat();
        double probability = classifier.unsafe(bgr);
        bgr.release();
        if (probability < spec.threshold()) {
            return false;
        }
        unsafe.add(String.format(Locale.ROOT, "%s (%.2f)", name, probability));
        return true;
    }

    /** The picture, or, where it is unsafe and such are refused, a black one. It is told. */
    public Picture shown(String name, Picture picture) {
        if (!isUnsafe(name, picture)) {
            return picture;
        }
        LOG.warn("{} is unsafe by `spec.preparation.safety`", name);
        return refuses() ? new Picture(picture.width(), picture.height(), new byte[picture.rgb().length]) : picture;
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
