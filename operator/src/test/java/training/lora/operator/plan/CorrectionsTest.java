package training.lora.operator.plan;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Reason;
import training.lora.api.RunSpec;

/** What is changed in a spec takes effect: all of it before the first container runs, what limits the run after. */
final class CorrectionsTest {
    private static final String FIRST = "style-prepare-1";
    private static final String SECOND = "style-prepare-2";

    @Test
    void beforeAnythingRanAnotherImageMakesAnotherJobOnceTheOldOneIsGone() throws Exception {
        Scene scene = Scene.of("'runtime':{'image':'nowhere:1'}");
        scene.slow = true;
        scene.plan();
        waits(scene, FIRST, "ErrImagePull");
        scene.after(1);

        scene.corrected("'runtime':{'image':'trainer:2'}").after(1);
        assertThat(scene.stage().reason()).isEqualTo(Reason.Superseded);
        assertThat(scene.deleted()).containsExactly(FIRST);
        scene.after(3);
        assertThat(scene.created()).isEmpty();

        scene.gone(FIRST);
        scene.after(1);
        assertThat(scene.created()).containsExactly(SECOND);
        assertThat(image(scene, SECOND)).isEqualTo("trainer:2");
        assertThat(scene.stage().failures()).isZero();
    }

    @Test
    void beforeAnythingRanOtherDataGiveTheRunAnotherIdAndFile() throws Exception {
        Scene scene = Scene.of("'training':{'steps':10}");
        scene.plan();
        String before = scene.status().runId();

        scene.corrected("'training':{'steps':20}").after(1);
        scene.after(1);

        String after = RunSpec.of("default", "style", scene.resource.getSpec()).runId();
        assertThat(after).isNotEqualTo(before);
        assertThat(scene.status().runId()).isEqualTo(after);
        assertThat(scene.done.stream()
                        .filter(Action.CreateConfigMap.class::isInstance)
                        .map(a -> ((Action.CreateConfigMap) a)
                                .configMap()
                                .getMetadata()
                                .getName()))
                .containsExactly("style-run-" + after);
        assertThat(scene.job(SECOND).getMetadata().getLabels()).containsEntry(Names.RUN_ID, after);
    }

    @Test
    void aContainerThatBeganBeforeAnyoneNotedItGivesWayToo() throws Exception {
        Scene scene = Scene.of("'training':{'steps':10}");
        scene.plan();
        scene.runs(FIRST);
        scene.corrected("'training':{'steps':20}").after(1);

        assertThat(scene.stage().reason()).isEqualTo(Reason.Superseded);
        assertThat(scene.status().startTime()).isNull();
    }

    @Test
    void theStartIsWhenTheFirstContainerBeganAndItsImageIsPinned() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        assertThat(scene.status().startTime()).isNull();
        scene.runs(FIRST);
        scene.after(5);

        assertThat(scene.status().startTime()).isEqualTo("2026-01-01T00:00:00Z");
        assertThat(scene.status().image()).isEqualTo("trainer:1");

        scene.settings = new Settings("trainer:9", null, Duration.ofSeconds(10), Duration.ofSeconds(60));
        scene.ended(FIRST, 60, 20, null);
        scene.plan();
        scene.condition(FIRST, "Failed", "BackoffLimitExceeded", "");
        scene.after(60);
        assertThat(image(scene, SECOND)).isEqualTo("trainer:1");
    }

    @Test
    void anImageThatCanNotBePulledGivesWayToTheOperatorsNewDefault() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.settings = new Settings("trainer:2", null, Duration.ofSeconds(10), Duration.ofSeconds(60));
        scene.after(1);
        assertThat(scene.deleted()).isEmpty();

        waits(scene, FIRST, "ErrImagePull");
        scene.after(1);
        assertThat(scene.deleted()).containsExactly(FIRST);
    }

    @Test
    void aJobThatWaitsIsLeftWhereItIsInItsQueueWhenNothingOfItChanges() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.suspend(FIRST, true);
        scene.corrected("'retries':7,'ttlSecondsAfterFinished':5,'activeDeadlineSeconds':50")
                .after(1);

        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.deleted()).isEmpty();
    }

    @Test
    void afterTheStartOtherResourcesHoldForWhatHasNotBegunAndForTheNextAttempt() throws Exception {
        String small = "'runtime':{'stages':[{'name':'Train','resources':{'limits':{'nvidia.com/gpu':'8'}}}]}";
        String large = "'runtime':{'stages':[{'name':'Train','resources':{'limits':{'nvidia.com/gpu':'1'}}}]}";
        Scene scene = Scene.prepared(small);
        scene.plan();
        scene.corrected(large).after(1);
        scene.after(1);
        assertThat(scene.created()).containsExactly("style-train-2");

        scene.runs("style-train-2");
        scene.after(1);
        scene.corrected(small).after(1);
        assertThat(scene.deleted()).isEmpty();
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.status().runId()).isEqualTo("abc");
    }

    @Test
    void aRunThatFailedBeforeItStartedBeginsAnewWithAnyCorrection() throws Exception {
        Scene scene = Scene.of("'startDeadlineSeconds':60");
        scene.plan();
        waits(scene, FIRST, "CreateContainerConfigError");
        scene.after(60);
        assertThat(scene.status().phase()).isEqualTo("Failed");

        scene.corrected("'startDeadlineSeconds':60,'runtime':{'workspace':{'claimName':'mine'}}")
                .after(10);
        assertThat(scene.created()).containsExactly(SECOND);
        assertThat(scene.condition("Failed").getStatus()).isEqualTo("False");
    }

    @Test
    void aFailedRunGoesOnWhenItsRetriesAreRaisedAndFailuresCountAnew() throws Exception {
        Scene scene = Scene.prepared("'retries':0");
        scene.plan();
        scene.ended("style-train-1", 60, 22, null);
        scene.plan();
        assertThat(scene.status().phase()).isEqualTo("Failed");
        assertThat(requireNonNull(scene.status().limits()).retries()).isZero();
        scene.condition("style-train-1", "Failed", "BackoffLimitExceeded", "");

        scene.corrected("'retries':1").after(1);
        assertThat(scene.created()).containsExactly("style-train-2");
        assertThat(scene.stage().failures()).isZero();
    }

    @Test
    void aFailedRunGoesOnWithMoreMemory() throws Exception {
        String more = ",'runtime':{'stages':[{'name':'Train','resources':{'limits':{'memory':'64Gi'}}}]}";
        Scene scene = Scene.prepared("'retries':0");
        scene.plan();
        scene.ended("style-train-1", 60, 22, null);
        scene.plan();
        scene.condition("style-train-1", "Failed", "BackoffLimitExceeded", "");
        scene.after(5);

        scene.corrected("'retries':0" + more).after(1);
        assertThat(scene.created()).containsExactly("style-train-2");
    }

    @Test
    void whatNoRetryCuresStaysFailedAndSoDoesWhatWasOnlyLowered() throws Exception {
        Scene hopeless = Scene.prepared("'retries':0");
        hopeless.plan();
        hopeless.ended("style-train-1", 60, 13, null);
        hopeless.plan();
        hopeless.corrected("'retries':5").after(1);
        assertThat(hopeless.created()).isEmpty();
        assertThat(hopeless.status().observedGeneration()).isEqualTo(2);

        Scene lowered = Scene.prepared("'retries':0,'activeDeadlineSeconds':900");
        lowered.plan();
        lowered.ended("style-train-1", 60, 22, null);
        lowered.plan();
        lowered.corrected("'retries':0,'activeDeadlineSeconds':800,'suspend':true")
                .after(1);
        assertThat(lowered.status().phase()).isEqualTo("Failed");
    }

    private static void waits(Scene scene, String job, String reason) {
        scene.pod(job, p -> p.node("n").containers(List.of(Pods.waiting("trainer", false, reason, "no"))));
    }

    private static String image(Scene scene, String job) {
        return scene.job(job)
                .getSpec()
                .getTemplate()
                .getSpec()
                .getContainers()
                .get(0)
                .getImage();
    }
}
