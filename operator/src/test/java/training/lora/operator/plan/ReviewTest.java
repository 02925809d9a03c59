package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Condition;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.api.StageResultBuilder;
import training.lora.api.StageStatus;

/** Runs that wait until a person has looked at their captions. */
class ReviewTest {
    private static final String PAUSES = "'preparation':{'captions':{'pauseForReview':true}}";

    private Scene scene;

    @BeforeEach
    void waits() throws Exception {
        scene = awaiting(PAUSES);
    }

    private static Scene awaiting(String spec) throws Exception {
        Scene scene = Scene.of(spec);
        scene.plan();
        scene.ended(
                "style-prepare-1",
                60,
                0,
                Json.MAPPER.writeValueAsString(result(scene, Stage.Prepare, 1)
                        .artifacts(List.of(new Artifact("captions", null, "output/captions.jsonl", 9L, "ab")))
                        .build()));
        scene.plan();
        return scene;
    }

    private static StageResultBuilder result(Scene scene, Stage stage, int attempt) {
        return StageResultBuilder.builder()
                .version(StageResult.VERSION)
                .runId(Objects.requireNonNull(scene.status().runId()))
                .stage(stage)
                .attempt(attempt)
                .outcome(Outcome.Succeeded)
                .alreadyComplete(false)
                .checkpoints(List.of())
                .artifacts(List.of())
                .builder();
    }

    private void annotate(@Nullable String value) {
        Map<String, String> annotations = new HashMap<>();
        if (value != null) {
            annotations.put("lora.training/captions-reviewed", value);
        }
        scene.resource.getMetadata().setAnnotations(annotations);
    }

    private void captionsAreWrong(int attempt) throws Exception {
        scene.runs("style-train-" + attempt);
        scene.plan();
        scene.ended(
                "style-train-" + attempt,
                5,
                11,
                Json.MAPPER.writeValueAsString(result(scene, Stage.Train, attempt)
                        .outcome(Outcome.Failed)
                        .reason(Reason.InvalidCaptions)
                        .message("/workspace/output/captions.jsonl, line 3, must be a JSON object")
                        .build()));
        scene.plan();
    }

    private Condition awaitingReview() {
        return scene.condition("AwaitingReview");
    }

    @Test
    void nothingIsMadeUntilTheAnnotationIsThere() {
        assertThat(scene.created()).isEmpty();
        assertThat(scene.status().phase()).isEqualTo("AwaitingReview");
        assertThat(awaitingReview().getStatus()).isEqualTo("True");
        assertThat(awaitingReview().getReason()).isEqualTo("AwaitingReview");
        assertThat(awaitingReview().getMessage())
                .isEqualTo(
                        "the captions wait for a look in pvc://style-workspace/output/captions.jsonl; when they are as they should be, "
                                + "`kubectl annotate --overwrite loratraining -n default style lora.training/captions-reviewed=true` goes on");
        assertThat(scene.reconciling().getStatus()).isEqualTo("True");
        assertThat(scene.events()).contains("AwaitingReview");
        scene.after(3600);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.events()).isEmpty();
        annotate("false");
        scene.plan();
        assertThat(scene.created()).isEmpty();

        annotate("true");
        scene.plan();

        assertThat(scene.created()).containsExactly("style-train-1");
        assertThat(scene.job("style-train-1")
                        .getSpec()
                        .getTemplate()
                        .getSpec()
                        .getContainers()
                        .get(0)
                        .getArgs())
                .endsWith("--reviewed");
        assertThat(awaitingReview().getStatus()).isEqualTo("False");
    }

    @Test
    void aRunThatDoesNotPauseHasNeitherConditionNorArgument() throws Exception {
        scene = awaiting("");

        assertThat(scene.created()).containsExactly("style-train-1");
        assertThat(scene.job("style-train-1")
                        .getSpec()
                        .getTemplate()
                        .getSpec()
                        .getContainers()
                        .get(0)
                        .getArgs())
                .doesNotContain("--reviewed");
        assertThat(scene.status().conditions()).extracting(Condition::getType).doesNotContain("AwaitingReview");
    }

    @Test
    void anAnnotationThatIsThereFromTheStartMeansNoWait() throws Exception {
        scene = Scene.of(PAUSES);
        annotate("true");
        scene.plan();
        scene.ended(
                "style-prepare-1",
                60,
                0,
                Json.MAPPER.writeValueAsString(result(scene, Stage.Prepare, 1).build()));

        scene.plan();

        assertThat(scene.created()).containsExactly("style-train-1");
    }

    @Test
    void noDeadlineCountsTheWait() throws Exception {
        scene = awaiting(PAUSES + ",'activeDeadlineSeconds':100,'startDeadlineSeconds':30");
        Integer active = scene.status().activeSeconds();
        scene.after(1_000_000);
        assertThat(scene.status().phase()).isEqualTo("AwaitingReview");

        annotate("true");
        scene.plan();
        scene.after(20);
        scene.runs("style-train-1");
        scene.plan();
        assertThat(scene.status().phase()).isEqualTo("Train");
        assertThat(scene.status().activeSeconds()).isEqualTo(active);

        // What runs counts as ever.
        scene.after(41);
        assertThat(scene.status().phase()).isEqualTo("Failed");
        assertThat(scene.condition("Failed").getReason()).isEqualTo("DeadlineExceeded");
    }

    @Test
    void suspensionAndOtherLimitsLeaveTheWaitAsItIs() throws Exception {
        scene.corrected(PAUSES + ",'suspend':true").plan();
        assertThat(scene.status().phase()).isEqualTo("Suspended");
        assertThat(awaitingReview().getStatus()).isEqualTo("False");
        annotate("true");
        scene.plan();
        assertThat(scene.created()).isEmpty();

        annotate(null);
        scene.corrected(PAUSES + ",'retries':7").plan();
        assertThat(scene.status().phase()).isEqualTo("AwaitingReview");
        assertThat(scene.status().observedGeneration()).isEqualTo(3);
        assertThat(scene.created()).isEmpty();
    }

    @Test
    void wrongCaptionsAreMendedAndNobodysFailure() throws Exception {
        annotate("true");
        scene.plan();
        captionsAreWrong(1);

        assertThat(scene.status().phase()).isEqualTo("AwaitingReview");
        assertThat(awaitingReview().getMessage())
                .startsWith(
                        "Train, attempt 1: pvc://style-workspace/output/captions.jsonl, line 3, must be a JSON object; when pvc://style-workspace/output/captions.jsonl is mended")
                .contains("lora.training/captions-reviewed=attempt-2");
        assertThat(scene.stage())
                .extracting(StageStatus::outcome, StageStatus::reason, StageStatus::failures)
                .containsExactly(Outcome.Failed, Reason.InvalidCaptions, 0);
        scene.after(3600);
        assertThat(scene.created()).isEmpty();

        annotate("attempt-2");
        scene.plan();
        assertThat(scene.created()).containsExactly("style-train-2");

        captionsAreWrong(2);
        annotate(null);
        scene.after(60);
        assertThat(scene.created()).isEmpty();
        annotate("attempt-2");
        scene.plan();
        assertThat(scene.created()).containsExactly("style-train-3");
    }

    @Test
    void aTrainingThatHasBegunWaitsNoMore() throws Exception {
        annotate("true");
        scene.plan();
        scene.runs("style-train-1");
        scene.plan();
        annotate(null);
        scene.ended("style-train-1", 5, 20, null);
        scene.plan();

        scene.after(60);

        assertThat(scene.created()).containsExactly("style-train-2");
    }

    @Test
    void aTrainingThatStoppedEarlySaysWhereAndWhy() throws Exception {
        scene = awaiting("'evaluation':{'enabled':false}");
        scene.runs("style-train-1");
        scene.plan();
        scene.ended(
                "style-train-1",
                5,
                0,
                Json.MAPPER.writeValueAsString(result(scene, Stage.Train, 1)
                        .stoppedEarly("it stopped at step 6 of 40, since score has not risen above that of step 2, 0.5")
                        .build()));
        scene.plan();

        assertThat(scene.status().stoppedEarly()).startsWith("it stopped at step 6 of 40");
        assertThat(scene.condition("Complete").getMessage())
                .isEqualTo(
                        "every stage is done; the training ended early: it stopped at step 6 of 40, since score has not risen above that of step 2, 0.5");
    }
}
