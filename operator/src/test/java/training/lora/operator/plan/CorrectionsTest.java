package training.lora.operator.plan;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import training.lora.api.Outcome;
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
        scene.ended("style-train-1", 60, 22, null);
        scene.plan();
        scene.condition("style-train-1", "Failed", "BackoffLimitExceeded", "");
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
    void anInvalidSpecLeavesAStartedAttemptRunningAndKeepsTheNextFromBeginning() throws Exception {
        String invalid = "'runtime':{'stages':[{'name':'Train','podTemplate':{'spec':{'hostNetwork':true}}}]}";
        Scene scene = Scene.prepared("");
        scene.plan();
        scene.runs("style-train-1");
        scene.plan();
        scene.corrected(invalid).after(1);
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.deleted()).isEmpty();
        assertThat(scene.condition("Failed").getStatus()).isEqualTo("False");
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("InvalidConfiguration");
        assertThat(scene.condition("Stalled").getMessage())
                .contains("hostNetwork")
                .endsWith("; Train, attempt 1, goes on as it was begun, and no other begins until this is corrected");
        assertThat(scene.events()).containsExactly("InvalidConfiguration");
        scene.after(60);
        assertThat(scene.done).isEmpty();

        scene.ended("style-train-1", 60, 0, Resources.succeeded("Train", 1));
        scene.plan();
        assertThat(scene.status().stages().get(1).outcome()).isEqualTo(Outcome.Succeeded);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getStatus()).isEqualTo("True");
        assertThat(scene.status().phase()).isEqualTo("Evaluate");

        scene.corrected("").after(1);
        assertThat(scene.created()).containsExactly("style-evaluate-1");
        assertThat(scene.condition("Stalled").getStatus()).isEqualTo("False");
    }

    @Test
    void whatAPlatformNoLongerAllowsEndsNoRunThatHasStarted() throws Exception {
        Scene scene =
                Scene.prepared("'runtime':{'stages':[{'name':'Train','podTemplate':{'spec':{'hostNetwork':true}}}]}");
        PodSettings allowed = PodSettingsBuilder.builder(PodSettings.NONE)
                .allowedPodFields(Set.of("hostNetwork"))
                .build();
        Settings before = scene.settings;
        scene.settings = new Settings("trainer:1", null, Duration.ofSeconds(10), Duration.ofSeconds(60), allowed);
        scene.plan();
        scene.runs("style-train-1");
        scene.plan();

        scene.settings = before;
        scene.after(1);
        assertThat(scene.stage().outcome()).isNull();
        scene.ended("style-train-1", 60, 20, null);
        scene.plan();
        scene.condition("style-train-1", "Failed", "BackoffLimitExceeded", "");
        scene.after(60);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("InvalidConfiguration");
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void anInvalidSpecEndsAnAttemptOfARunThatHasNotStarted() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.suspend(FIRST, true);
        scene.corrected("'runtime':{'stages':[{'name':'Train','podTemplate':{'spec':{'hostNetwork':true}}}]}")
                .after(1);

        assertThat(scene.stage().reason()).isEqualTo(Reason.Superseded);
        assertThat(scene.deleted()).containsExactly(FIRST);
        assertThat(scene.condition("Failed").getReason()).isEqualTo("InvalidConfiguration");

        scene.corrected("").after(1);
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
        scene.settings = new Settings("trainer:9", null, Duration.ofSeconds(10), Duration.ofSeconds(60), pods);

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
