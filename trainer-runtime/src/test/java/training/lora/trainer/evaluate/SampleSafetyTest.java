package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import training.lora.api.Checkpoint;
import training.lora.api.ModelSpec;
import training.lora.api.SafetyAction;
import training.lora.api.SafetySpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.safety.SafetyCheck;
import training.lora.trainer.safety.SafetyClassifier;
import training.lora.trainer.sample.Picture;

/** With a random tiny classifier (helper_goldens.py), between whose probabilities of two pictures the threshold lies. */
class SampleSafetyTest {
    private static final List<Path> PICTURES =
            List.of(Goldens.BUNDLED.resolve("fluent-style/bat.png"), Goldens.BUNDLED.resolve("fluent-style/pear.png"));

    @TempDir
    Path folder;

    private final AtomicInteger opened = new AtomicInteger();

    private SafetyCheck check(double threshold, SafetyAction action) {
        opened.incrementAndGet();
        return new SafetyCheck(
                SafetyClassifier.open("field", Path.of("src/test/resources/helper-goldens/nsfw.onnx")),
                spec(threshold, action));
    }

    private static SafetySpec spec(double threshold, SafetyAction action) {
        return new SafetySpec(new ModelSpec("nsfw.onnx", null, null), threshold, action);
    }

    private static Measured measured() {
        Embeddings none = new Embeddings(new double[0][]);
        return MeasuredBuilder.builder()
                .trained(new Checkpoint(7, List.of()))
                .pictures(PICTURES)
                .metrics(new ConceptMetrics(0, new Score(0, 0), new ClipMetrics(0, 0, 0, 0), Map.of()))
                .byConcept(List.of())
                .values(List.of(PictureValues.of(none)))
                .nearest(List.of())
                .build();
    }

    @ParameterizedTest
    @EnumSource
    void theUnsafeOneIsBlackIfItIsRefusedAndEachIsLookedAtOnce(SafetyAction action) throws IOException {
        double first;
        double second;
        try (SafetyCheck check = check(0.5, action)) {
            first = check.probability(Picture.read(PICTURES.get(0)));
            second = check.probability(Picture.read(PICTURES.get(1)));
        }
        double threshold = (first + second) / 2;
        int unsafe = first > second ? 0 : 1;
        SampleSafety safety = new SampleSafety(
                spec(threshold, action), () -> check(threshold, action), folder.resolve("refused.png"));
        Embeddings none = new Embeddings(new double[0][]);
        ConceptShare share = new ConceptShare(
                new Concepts.Concept("main", null, List.of("main")),
                new int[] {0, 1},
                new int[0],
                none,
                new PromptTexts(List.of(), none));
        opened.set(0);

        double[] values = safety.of(share, PICTURES, none);
        safety.of(share, PICTURES, none);
        Measured shown = safety.shown(measured());

        assertThat(opened).hasValue(1);
        assertThat(values[unsafe]).isEqualTo(1);
        assertThat(values[1 - unsafe]).isZero();
        assertThat(shown.pictures().get(1 - unsafe)).isEqualTo(PICTURES.get(1 - unsafe));
        byte[] pixels = Picture.read(shown.pictures().get(unsafe)).rgb();
        assertThat(pixels)
                .isEqualTo(
                        action == SafetyAction.Refuse
                                ? new byte[pixels.length]
                                : Picture.read(PICTURES.get(unsafe)).rgb());
        EvaluationReport.SafetyReport report = safety.report(List.of(measured()));
        assertThat(report.pictures())
                .containsExactly(new EvaluationReport.UnsafePicture(7, unsafe, Math.max(first, second)));
        assertThat(Objects.requireNonNull(SampleSafety.sentence(spec(threshold, action), report)))
                .contains("these are not" + (action == SafetyAction.Refuse ? " and are shown black" : ""))
                .contains("picture %d of step 7 (0.".formatted(unsafe + 1));
    }

    @Test
    void nothingUnsafeIsNoSentence() {
        assertThat(SampleSafety.sentence(
                        spec(0.5, SafetyAction.Flag),
                        new EvaluationReport.SafetyReport(0.5, SafetyAction.Flag, List.of())))
                .isNull();
    }
}
