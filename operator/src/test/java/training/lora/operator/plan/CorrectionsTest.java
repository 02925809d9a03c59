package training.lora.operator.plan;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

        Scene prepared = Scene.prepared("");
        prepared.settings = Scene.settings("trainer:9", PodSettings.NONE);
        prepared.plan();
        assertThat(image(prepared, "style-train-1")).isEqualTo("trainer:1");
        prepared.ended("style-train-1", 60, 20, null);
        prepared.plan();
        prepared.after(60);
        assertThat(image(prepared, "style-train-2")).isEqualTo("trainer:1");
    }

    @Test
    void asLongAsNothingIsPreparedSpecAndImageCanBeCorrectedAfterEachFailure() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        String first = scene.status().runId();
        scene.runs(FIRST);
        scene.after(5);
        scene.ended(FIRST, 60, 20, null);
        scene.plan();
        assertThat(scene.status().startTime()).isNull();
        assertThat(scene.status().activeSeconds()).isEqualTo(60);

        scene.settings = Scene.settings("trainer:9", PodSettings.NONE);
        scene.corrected("'evaluation':{'clip':{'uri':'hf://a/b','secretRef':{'name':'hub'}}}");
        scene.secret("hub", true, "1");
        scene.after(60);

        assertThat(scene.created()).containsExactly(SECOND);
        assertThat(image(scene, SECOND)).isEqualTo("trainer:9");
        assertThat(scene.status().runId()).isNotEqualTo(first);
    }

    @Test
    void aSourceThatFailedForGoodIsCorrectedInTheSameResource() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.runs(FIRST);
        scene.after(5);
        scene.ended(FIRST, 60, 10, null);
        scene.plan();
        assertThat(scene.condition("Failed").getReason()).isEqualTo("InvalidConfiguration");
        scene.after(3600);
        assertThat(scene.created()).isEmpty();

        scene.corrected("'evaluation':{'clip':{'uri':'hf://a/b'}}").after(1);

        assertThat(scene.created()).containsExactly(SECOND);
        assertThat(scene.stage().failures()).isZero();
        assertThat(scene.reconciling().getReason()).isEqualTo("Starting");
    }

    @Test
    void anImageThatCanNotBePulledGivesWayToTheOperatorsNewDefault() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.settings = Scene.settings("trainer:2", PodSettings.NONE);
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
        outOfMemory(scene);
        assertThat(scene.status().phase()).isEqualTo("Failed");
        assertThat(requireNonNull(scene.status().limits()).retries()).isZero();

        scene.corrected("'retries':1").after(1);
        assertThat(scene.created()).containsExactly("style-train-2");
        assertThat(scene.stage().failures()).isZero();
    }

    @Test
    void aFailedRunGoesOnWithMoreMemory() throws Exception {
        String more = ",'runtime':{'stages':[{'name':'Train','resources':{'limits':{'memory':'64Gi'}}}]}";
        Scene scene = Scene.prepared("'retries':0");
        scene.plan();
        outOfMemory(scene);
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

    @Test
    void aCorrectionWhoseJobIsRefusedIsKeptUntilItIsTaken() throws Exception {
        Scene scene = Scene.of("'runtime':{'image':'nowhere:1'},'training':{'steps':10},'startDeadlineSeconds':60");
        scene.plan();
        waits(scene, FIRST, "ErrImagePull");
        scene.after(60);
        scene.refusal = "exceeded quota: gpus";
        scene.corrected("'training':{'steps':20},'startDeadlineSeconds':60").after(10);
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("Refused");

        scene.refusal = null;
        scene.after(10);
        String corrected =
                RunSpec.of("default", "style", scene.resource.getSpec()).runId();
        assertThat(scene.status().runId()).isEqualTo(corrected);
        assertThat(scene.job(SECOND).getMetadata().getLabels()).containsEntry(Names.RUN_ID, corrected);
    }

    @Test
    void failuresStayForgivenThoughTheNextJobIsRefused() throws Exception {
        Scene scene = Scene.prepared("'retries':0");
        scene.plan();
        outOfMemory(scene);
        scene.refusal = "exceeded quota: gpus";
        scene.corrected("'retries':1").after(1);

        scene.refusal = null;
        scene.after(10);
        assertThat(scene.created()).containsExactly("style-train-2");
        assertThat(scene.stage().failures()).isZero();
        assertThat(scene.status().limits()).isNull();
    }

    @Test
    void aCorrectionThatAnOperatorCouldNotReadIsTakenByOneThatCan() throws Exception {
        Scene scene = Scene.of("'training':{'steps':10}");
        scene.plan();
        scene.corrected("'training':{'steps':20}");
        PlanResult unread = Stall.unreadable(scene.resource, "`spec.x` has the value \"y\"", scene.now);
        scene.resource.setStatus(((Action.WriteStatus) unread.actions().get(0)).status());
        assertThat(scene.status().observedGeneration()).isEqualTo(2);

        scene.after(1);
        scene.after(2);
        assertThat(scene.status().runId())
                .isEqualTo(
                        RunSpec.of("default", "style", scene.resource.getSpec()).runId());
        assertThat(scene.created()).containsExactly(SECOND);
    }

    @Test
    void aHashIsThatOfTheValueHoweverItsMapsAreOrdered() {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("cpu", "4");
        one.put("memory", "8Gi");
        one.put("nvidia.com/gpu", "1");
        Map<String, Object> other = new LinkedHashMap<>();
        other.put("nvidia.com/gpu", "1");
        other.put("memory", "8Gi");
        other.put("cpu", "4");

        assertThat(Changes.hash(Map.of("limits", one))).isEqualTo(Changes.hash(Map.of("limits", other)));
        other.put("cpu", "5");
        assertThat(Changes.hash(one)).isNotEqualTo(Changes.hash(other));
    }

    @Test
    void anotherReleaseAndOtherSettingsOfTheOperatorCostNoPlaceInAQueue() throws Exception {
        Scene scene = Scene.of("'runtime':{'stages':[{'name':'Train','resources':{'limits':{'nvidia.com/gpu':'1'}}}]}");
        scene.plan();
        scene.suspend(FIRST, true);
        PodSettings pods = PodSettingsBuilder.builder(PodSettings.NONE)
                .gpuNodeSelector(Map.of("pool", "gpus"))
                .user(7L)
                .build();
        scene.settings = Scene.settings("trainer:9", pods);

        scene.corrected(
                        "'retries':7,'runtime':{'stages':[{'name':'Train','resources':{'limits':{'nvidia.com/gpu':'1'}}}]}")
                .after(1);
        assertThat(scene.stage().outcome()).isNull();

        scene.corrected("'retries':7").after(1);
        assertThat(scene.stage().reason()).isEqualTo(Reason.Superseded);
    }

    @Test
    void aWebhookThatRewritesImagesMakesNoJobAfterTheOther() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.job(FIRST, j -> new JobBuilder(j)
                .editSpec()
                .editTemplate()
                .editSpec()
                .editFirstContainer()
                .withImage("mirror/trainer:1")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec()
                .build());
        waits(scene, FIRST, "ErrImagePull");
        scene.after(1);

        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.deleted()).isEmpty();
    }

    @Test
    void theImageIsPinnedThoughTheJobIsGoneWhenTheStartIsSeen() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.runs(FIRST);
        scene.jobs.remove(FIRST);
        scene.after(1);
        assertThat(scene.status().startTime()).isNotNull();
        assertThat(scene.status().image()).isEqualTo("trainer:1");
    }

    /** The first attempt of Train ends so, and its Job with it. */
    private static void outOfMemory(Scene scene) throws Exception {
        scene.ended("style-train-1", 60, 22, null);
        scene.plan();
        scene.condition("style-train-1", "Failed", "BackoffLimitExceeded", "");
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
