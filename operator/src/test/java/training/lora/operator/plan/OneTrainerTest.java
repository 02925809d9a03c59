package training.lora.operator.plan;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.Outcome;
import training.lora.api.Reason;

/** Two trainers never share a workspace, whatever was deleted how, and the run says what it waits for. */
final class OneTrainerTest {
    private static final String JOB = "style-train-1";

    @Test
    void afterAJobWasDeletedInTheBackgroundTheNextAttemptWaitsForItsPod() throws Exception {
        Scene scene = training();
        scene.jobs.remove(JOB);
        scene.pod(JOB, p -> Pods.running(p, scene.now).deletionTime(scene.now.plusSeconds(60)));
        scene.after(5);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.reconciling().getReason()).isEqualTo("PodEnding");

        scene.pods.clear();
        scene.after(5);
        assertThat(scene.stage().reason()).isEqualTo(Reason.JobLost);
        scene.after(10);
        assertThat(scene.created()).containsExactly("style-train-2");
    }

    @Test
    void anOrphanedPodGoesOnAndItsResultCounts() throws Exception {
        Scene scene = training();
        scene.jobs.remove(JOB);
        scene.after(60);
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.reconciling().getReason()).isEqualTo("Running");

        scene.ended(JOB, 60, 0, Resources.succeeded("Train", 1));
        scene.plan();
        assertThat(scene.status().stages().get(1).outcome()).isEqualTo(Outcome.Succeeded);
        assertThat(scene.created()).containsExactly("style-evaluate-1");
    }

    @Test
    void anOrphanedPodOfASuspendedRunIsWaitedForAndNamed() throws Exception {
        Scene scene = training();
        scene.jobs.remove(JOB);
        scene.corrected("'suspend':true").after(1);
        scene.corrected("").after(1);

        assertThat(scene.created()).isEmpty();
        assertThat(scene.reconciling().getReason()).isEqualTo("WaitingForPod");
        assertThat(scene.reconciling().getMessage()).contains("the pod style-train-1-abcde, whose Job is gone");
    }

    @Test
    void aLostNodeIsNamedWithItsRemedyAndNothingStarts() throws Exception {
        Scene scene = training();
        scene.pod(JOB, p -> Pods.running(p, scene.now).conditions(List.of(Pods.said("Ready", false, null, null))));
        scene.nodes.put("node-1", false);
        scene.after(1);
        assertThat(scene.reconciling().getReason()).isEqualTo("NodeLost");
        assertThat(scene.reconciling().getMessage())
                .isEqualTo("Train, attempt 1: the node node-1, on which the pod style-train-1-abcde ran, is not ready");

        scene.pod(JOB, p -> Pods.running(p, scene.now).deletionTime(scene.now));
        scene.after(600);
        assertThat(scene.reconciling().getReason()).isEqualTo("NodeLost");
        assertThat(scene.reconciling().getMessage())
                .endsWith(
                        "if the node is off, tell the cluster by `kubectl taint nodes node-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`");
        assertThat(scene.done).noneMatch(a -> a instanceof Action.DeleteJob || a instanceof Action.CreateJob);
        assertThat(scene.stage().outcome()).isNull();
    }

    @Test
    void whereNodesMayNotBeReadAPodThatDoesNotEndIsNamed() throws Exception {
        Scene scene = training();
        scene.pod(JOB, p -> Pods.running(p, scene.now).deletionTime(scene.now));
        scene.after(11);

        assertThat(scene.reconciling().getReason()).isEqualTo("PodNotEnding");
        assertThat(scene.reconciling().getMessage()).contains("its node node-1 has not said so");
    }

    @Test
    void aRunWaitsForJobsOfTheResourceThatHadItsName() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.resource.getMetadata().setUid("uid-2");
        scene.resource.setStatus(Resources.of("", "{}").getStatus());
        scene.after(1);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.reconciling().getReason()).isEqualTo("WaitingForNamesake");

        scene.jobs.clear();
        scene.after(3);
        assertThat(scene.created()).containsExactly("style-prepare-1");
    }

    @Test
    void theClaimOfTheResourceThatHadThisNameIsWaitedForAndAStrangersIsNot() throws Exception {
        Scene scene = Scene.of("");
        Taken namesake = taken(claim("LoraTraining", "style", "uid-0", null), claim(), scene);
        PlanResult waits = namesake.plan(scene.resource, scene.now);
        assertThat(message(waits, "Reconciling"))
                .isEqualTo(
                        "PersistentVolumeClaim style-workspace is of another LoraTraining that had this name; the run waits for it to go");

        Taken stranger = taken(claim("StatefulSet", "db", "uid-0", null), claim(), scene);
        PlanResult stalls = stranger.plan(scene.resource, scene.now);
        assertThat(message(stalls, "Stalled"))
                .isEqualTo(
                        "PersistentVolumeClaim style-workspace exists and belongs to something else; delete it, or give this resource another name");
    }

    @Test
    void ownClaimOfAnEarlierSpecIsMadeAgainAndOneThatGoesIsWaitedFor() throws Exception {
        Scene scene = Scene.of("'runtime':{'workspace':{'storageClassName':'fats'}}");
        PersistentVolumeClaim mistyped = new PersistentVolumeClaimBuilder(claimOf(scene))
                .editMetadata()
                .withUid("claim-1")
                .endMetadata()
                .build();
        assertThat(Taken.by(mistyped, claimOf(scene), scene.resource)).isNull();

        scene.corrected("'runtime':{'workspace':{'storageClassName':'fast'}}");
        Taken taken = taken(mistyped, claimOf(scene), scene);
        PlanResult plan = taken.plan(scene.resource, scene.now);
        assertThat(plan.actions()).contains(new Action.DeleteClaim("style-workspace", "claim-1"));

        mistyped.getMetadata().setDeletionTimestamp("2026-01-01T00:00:00Z");
        PlanResult waits = taken(mistyped, claimOf(scene), scene).plan(scene.resource, scene.now);
        assertThat(message(waits, "Reconciling")).endsWith("was deleted; the run waits for it to go");
        assertThat(waits.actions()).noneMatch(Action.DeleteClaim.class::isInstance);
    }

    private static Scene training() throws Exception {
        Scene scene = Scene.prepared("");
        scene.plan();
        scene.runs(JOB);
        scene.after(1);
        return scene;
    }

    private static Taken taken(PersistentVolumeClaim there, PersistentVolumeClaim wanted, Scene scene) {
        return requireNonNull(Taken.by(there, wanted, scene.resource));
    }

    private static PersistentVolumeClaim claimOf(Scene scene) {
        return Children.workspace(scene.resource, "abc");
    }

    private static PersistentVolumeClaim claim() {
        return new PersistentVolumeClaimBuilder()
                .withNewMetadata()
                .withName("style-workspace")
                .endMetadata()
                .build();
    }

    private static PersistentVolumeClaim claim(String kind, String owner, String uid, @Nullable String deleted) {
        return new PersistentVolumeClaimBuilder(claim())
                .editMetadata()
                .withDeletionTimestamp(deleted)
                .addNewOwnerReference()
                .withController(true)
                .withKind(kind)
                .withName(owner)
                .withUid(uid)
                .endOwnerReference()
                .endMetadata()
                .build();
    }

    private static String message(PlanResult plan, String type) {
        return plan.status().conditions().stream()
                .filter(c -> c.getType().equals(type) && c.getStatus().equals("True"))
                .findFirst()
                .orElseThrow()
                .getMessage();
    }
}
