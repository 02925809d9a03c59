package training.lora.trainer.trained;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.trained.TrainSummary.Rollback;

/** Which training may go on from a state. */
class PositionTest {
    private static final RunSpec RUN = TestRuns.run("steps: 100, optimizer: {learningRate: 1e-4}");

    private static final Path FOLDER = Path.of("work/train");

    private static Position at(int step) {
        return Position.first(RUN, 100, TestRuns.DATA, 1, new Position.Begin(0.5, 0.5, null))
                .at(step, Map.of(Component.UNet, 1.0), List.of());
    }

    private static boolean isOf(int step, RunSpec run) {
        return at(step).isOf(run, TestRuns.DATA.inputs(), InputDigests.SOME_DATA, FOLDER);
    }

    private static void assertRefused(RunSpec run, InputDigests now, String sentence) {
        assertThatThrownBy(() -> at(40).isOf(run, now, InputDigests.SOME_DATA, FOLDER))
                .isInstanceOfSatisfying(TrainerException.class, e -> {
                    assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration);
                    assertThat(e).hasMessage(sentence);
                });
    }

    private static void assertRefused(RunSpec run, String sentence) {
        assertRefused(run, TestRuns.DATA.inputs(), sentence);
    }

    private static String interrupted(String difference) {
        return "a training that was interrupted at step 40 of 100 must go on as it began, but " + difference
                + "; take another --workspace, or delete work/train to begin anew";
    }

    @Test
    void sameRunGoesOn() {
        assertThat(isOf(40, RUN)).isTrue();
    }

    @Test
    void whatDoesNotReachTheTrainingMayChange() {
        RunSpec other = TestRuns.run(
                "t",
                "training: {steps: 100, optimizer: {learningRate: 1e-4}}, evaluation: {enabled: false}, retries: 9");

        assertThat(isOf(40, other)).isTrue();
    }

    @Test
    void everyFieldThatDiffersIsNamedWithBothValues() {
        RunSpec other = TestRuns.run("steps: 200, optimizer: {learningRate: 2e-4}, checkpoints: {everySteps: 10}");

        assertRefused(
                other,
                interrupted("`spec.training.checkpoints.everySteps` was unset and is 10, "
                        + "`spec.training.optimizer.learningRate` was 1.0E-4 and is 2.0E-4, "
                        + "`spec.training.steps` was 100 and is 200"));
    }

    @Test
    void anotherRunsStateIsRefused() {
        RunSpec other = TestRuns.run("other", "training: {steps: 100, optimizer: {learningRate: 1e-4}}");

        assertRefused(other, interrupted("the run was default/t and is default/other"));
    }

    @Test
    void changedPicturesAndChangedBaseModelAreRefused() {
        InputDigests inputs = TestRuns.DATA.inputs();

        assertRefused(
                RUN,
                InputDigestsBuilder.builder(inputs).data("others").build(),
                interrupted("the pictures or captions of `spec.datasets` have changed"));
        assertRefused(
                RUN,
                InputDigestsBuilder.builder(inputs).baseModel("another").build(),
                interrupted("the files of `spec.baseModel` have changed"));
    }

    @Test
    void changedAdapterToGoOnFromIsRefusedAndThatOfAnEarlierReleaseIsNotKnown() {
        Position from = PositionBuilder.builder(at(40)).initFromDigest("one").build();
        InputDigests one = InputDigestsBuilder.builder(TestRuns.DATA.inputs())
                .initFrom("one")
                .build();
        InputDigests other = InputDigestsBuilder.builder(one).initFrom("other").build();

        assertThat(from.isOf(RUN, one, InputDigests.SOME_DATA, FOLDER)).isTrue();
        assertThat(at(40).isOf(RUN, other, InputDigests.SOME_DATA, FOLDER)).isTrue();
        assertThatThrownBy(() -> from.isOf(RUN, other, InputDigests.SOME_DATA, FOLDER))
                .hasMessage(interrupted("the file of `spec.training.initFrom` has changed"));
    }

    @Test
    void finishedTrainingGivesWayToAnotherConfiguration() {
        assertThat(isOf(100, TestRuns.run("steps: 200"))).isFalse();
        assertThat(isOf(100, RUN)).isTrue();
    }

    @Test
    void learningRateIsLoweredAsTheLastRollbackSays() throws Exception {
        Position position =
                at(40).with(List.of(new Rollback(45, 40, 0.3, "of this"), new Rollback(48, 40, 0.07, "of that")));

        assertThat(at(40).learningRateFactor()).isEqualTo(1);
        assertThat(position.learningRateFactor()).isEqualTo(0.07);
        assertThat(Json.MAPPER.readValue(Json.MAPPER.writeValueAsString(position), Position.class))
                .isEqualTo(position);
    }
}
